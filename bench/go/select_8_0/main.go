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
	n := 250000
	t := best(5, func() {
		c0 := make(chan int)
		go produce(c0, n)
		c1 := make(chan int)
		go produce(c1, n)
		c2 := make(chan int)
		go produce(c2, n)
		c3 := make(chan int)
		go produce(c3, n)
		c4 := make(chan int)
		go produce(c4, n)
		c5 := make(chan int)
		go produce(c5, n)
		c6 := make(chan int)
		go produce(c6, n)
		c7 := make(chan int)
		go produce(c7, n)
		s := 0
		for i := 0; i < n*8; i++ {
			select {
			case v := <-c0:
				s += v
			case v := <-c1:
				s += v
			case v := <-c2:
				s += v
			case v := <-c3:
				s += v
			case v := <-c4:
				s += v
			case v := <-c5:
				s += v
			case v := <-c6:
				s += v
			case v := <-c7:
				s += v
			}
		}
		check(s == n*8)
	})
	fmt.Println(t/float64(n*8), "ns")
}
