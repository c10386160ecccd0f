package main

import (
	"fmt"
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
	n := 3000000
	t := best(5, func() {
		ch := make(chan int)
		go func() {
			for i := 0; i < n; i++ {
				ch <- i & 1
			}
			close(ch)
		}()
		s := 0
		for v := range ch {
			s += v
		}
		check(s == n/2)
	})
	fmt.Println(t/float64(n), "ns")
}
