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
	n := 1000000
	t := best(5, func() {
		ch := make(chan int, 128)
		done := make(chan bool)
		sums := make(chan int)
		for i := 0; i < 4; i++ {
			go func() {
				for i := 0; i < n; i++ {
					ch <- i & 1
				}
				done <- true
			}()
			go func() {
				s := 0
				for v := range ch {
					s += v
				}
				sums <- s
			}()
		}
		for i := 0; i < 4; i++ {
			<-done
		}
		close(ch)
		s := 0
		for i := 0; i < 4; i++ {
			s += <-sums
		}
		check(s == 2*n)
	})
	fmt.Println(t/float64(4*n), "ns")
}
