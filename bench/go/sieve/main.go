package main
import ("fmt"; "time")
func best(reps int, f func()) float64 { b := -1.0; for r := 0; r < reps; r++ { s := time.Now(); f(); t := float64(time.Since(s).Nanoseconds()); if b < 0 || t < b { b = t } }; return b }
func check(ok bool) { if !ok { panic("wrong result") } }

func generate(ch chan<- int) { for i := 2; ; i++ { ch <- i } }
func filter(in <-chan int, out chan<- int, p int) { for { i := <-in; if i%p != 0 { out <- i } } }
func run() int { ch := make(chan int); go generate(ch); p := 0; for i := 0; i < 2000; i++ { p = <-ch; next := make(chan int); go filter(ch, next, p); ch = next }; return p }
func main() { fmt.Println(best(3, func() { check(run() == 17389) })/1e6, "ms") }
