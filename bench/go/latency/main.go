// How late a goroutine wakes from a sleep of 1 ms while eight others compute on all processors, and how long a started handler waits there.
package main

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

func compute(stop *atomic.Int64, done *sync.WaitGroup) {
	defer done.Done()
	sum := 0
	for stop.Load() == 0 {
		for i := 0; i < 1000; i++ {
			sum = (sum*31 + i) % 1000003
		}
	}
}

func report(what string, late []int64) {
	sort.Slice(late, func(a, b int) bool { return late[a] < late[b] })
	us := func(at int) float64 { return float64(late[at]) / 1000 }
	n := len(late)
	fmt.Printf("%s: p50 %v us, p99 %v us, max %v us\n", what, us(n/2), us(n*99/100), us(n-1))
}

func main() {
	var stop atomic.Int64
	var done sync.WaitGroup
	done.Add(8)
	for i := 0; i < 8; i++ {
		go compute(&stop, &done)
	}
	var ticks, answers []int64
	for i := 0; i < 1000; i++ {
		due := time.Now().Add(time.Millisecond)
		time.Sleep(time.Millisecond)
		ticks = append(ticks, int64(time.Since(due)))
	}
	report("timer", ticks)
	answer := make(chan int64)
	for i := 0; i < 300; i++ {
		asked := time.Now()
		go func() { answer <- int64(time.Since(asked)) }()
		answers = append(answers, <-answer)
		time.Sleep(time.Millisecond)
	}
	report("handler", answers)
	stop.Store(1)
	done.Wait()
}
