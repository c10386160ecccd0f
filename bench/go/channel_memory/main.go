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
	channels := make([]chan int, 0, 1000000)
	for i := 0; i < 1000000; i++ {
		channels = append(channels, make(chan int))
	}
	check(len(channels) == 1000000)
	fmt.Println("ok")
	_, _ = best, time.Now
}
