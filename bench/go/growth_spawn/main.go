package main

import (
	"fmt"
	"os"
	"strconv"
)

func check(ok bool) {
	if !ok {
		panic("wrong result")
	}
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	rounds := 1
	if n < 2000000 {
		rounds = 2000000 / n
	}
	for r := 0; r < rounds; r++ {
		results := make(chan int, n)
		for i := 0; i < n; i++ {
			go func() { results <- i & 1 }()
		}
		sum := 0
		for i := 0; i < n; i++ {
			sum += <-results
		}
		check(sum == n/2)
	}
	fmt.Println(rounds*n, "items")
}
