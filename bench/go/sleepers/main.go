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
	done := make(chan struct{}, 1000)
	for i := 0; i < 1000000; i++ {
		go func() { time.Sleep(time.Second); done <- struct{}{} }()
	}
	for i := 0; i < 1000000; i++ {
		<-done
	}
	fmt.Println("ok")
	_, _ = best, check
}
