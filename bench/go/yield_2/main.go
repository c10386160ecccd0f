package main
import ("fmt"
	"runtime"; "time")
func best(reps int, f func()) float64 { b := -1.0; for r := 0; r < reps; r++ { s := time.Now(); f(); t := float64(time.Since(s).Nanoseconds()); if b < 0 || t < b { b = t } }; return b }
func check(ok bool) { if !ok { panic("wrong result") } }

func main() { k := 2; turns := 4000000 / k; fmt.Println(best(5, func() { done := make(chan int, k); for i := 0; i < k; i++ { go func() { for j := 0; j < turns; j++ { runtime.Gosched() }; done <- turns }() }; s := 0; for i := 0; i < k; i++ { s += <-done }; check(s == k*turns) })/float64(k*turns), "ns") }
