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

func produce(out chan int, n int) {
	for i := 0; i < n; i++ {
		out <- 1
	}
}
func main() {
	n := 1000000
	t := best(5, func() {
		c0 := make(chan int)
		go produce(c0, n)
		c1 := make(chan int)
		go produce(c1, n)
		s := 0
		for i := 0; i < n*2; i++ {
			select {
			case v := <-c0:
				s += v
			case v := <-c1:
				s += v
			}
		}
		check(s == n*2)
	})
	fmt.Println(t/float64(n*2), "ns")
}
