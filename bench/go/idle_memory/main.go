package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

func main() {
	const n = 1000000
	gate := make(chan struct{})
	var ready atomic.Int64
	for i := 0; i < n; i++ {
		go func() {
			ready.Add(1)
			<-gate
		}()
	}
	for ready.Load() < n {
		time.Sleep(10 * time.Millisecond)
	}
	close(gate)
	fmt.Println("ok")
}
