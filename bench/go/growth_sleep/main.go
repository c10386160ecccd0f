package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	rounds := 1
	if n < 1000000 {
		rounds = 1000000 / n
	}
	for r := 0; r < rounds; r++ {
		done := make(chan bool, 1000)
		for i := 0; i < n; i++ {
			go func() {
				time.Sleep(time.Duration(1+i%10) * time.Millisecond)
				done <- true
			}()
		}
		for i := 0; i < n; i++ {
			<-done
		}
	}
	fmt.Println(rounds*n, "items")
}
