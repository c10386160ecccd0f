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
	n := 10000000
	var m sync.RWMutex
	t := best(5, func() {
		s := 0
		for i := 0; i < n; i++ {
			m.RLock()
			s += i & 1
			m.RUnlock()
		}
		check(s == n/2)
	})
	fmt.Println(t/float64(n), "ns")
}
