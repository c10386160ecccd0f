package main

import (
	"fmt"
	"sync"
	"time"
)

func best(reps int, f func()) float64 {
	b := -1.0
	for r := 0; r < reps; r++ {
		s := time.Now()
		f()
		t := float64(time.Since(s).Nanoseconds())
		if b < 0 || t < b {
			b = t
		}
	}
	return b
}
func check(ok bool) {
	if !ok {
		panic("wrong result")
	}
}

func main() {
	n := 500000
	t := best(5, func() {
		var m sync.Mutex
		v := 0
		done := make(chan bool)
		for i := 0; i < 8; i++ {
			go func() {
				for i := 0; i < n; i++ {
					m.Lock()
					v++
					m.Unlock()
				}
				done <- true
			}()
		}
		for i := 0; i < 8; i++ {
			<-done
		}
		check(v == 8*n)
	})
	fmt.Println(t/float64(8*n), "ns")
}
