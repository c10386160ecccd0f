package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

func check(ok bool) {
	if !ok {
		panic("wrong result")
	}
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	times := 5
	if n < 4000000 {
		times = 20000000 / n
	}
	done := make(chan int)
	for i := 0; i < n; i++ {
		go func() {
			for i := 0; i < times; i++ {
				runtime.Gosched()
			}
			done <- times
		}()
	}
	sum := 0
	for i := 0; i < n; i++ {
		sum += <-done
	}
	check(sum == n*times)
	fmt.Println(sum, "items")
}
