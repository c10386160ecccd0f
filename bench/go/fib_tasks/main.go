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

func fib(n int, out chan int) {
	if n < 2 {
		out <- n
		return
	}
	c := make(chan int, 2)
	go fib(n-1, c)
	go fib(n-2, c)
	out <- <-c + <-c
}
func main() {
	t := best(5, func() {
		c := make(chan int, 1)
		go fib(27, c)
		check(<-c == 196418)
	})
	fmt.Println(t/1e6, "ms")
}
