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

func node(input, output chan int) {
	for token := range input {
		output <- token + 1
	}
	close(output)
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	rounds := 2
	if n < 2500000 {
		rounds = 5000000 / n
	}
	first := make(chan int)
	last := first
	for i := 1; i < n; i++ {
		next := make(chan int)
		go node(last, next)
		last = next
	}
	for i := 0; i < rounds; i++ {
		first <- 0
		check(<-last == n-1)
	}
	close(first)
	fmt.Println(rounds*n, "items")
}
