package main
import ("fmt"; "time")
func best(reps int, f func()) float64 { b := -1.0; for r := 0; r < reps; r++ { s := time.Now(); f(); t := float64(time.Since(s).Nanoseconds()); if b < 0 || t < b { b = t } }; return b }
func check(ok bool) { if !ok { panic("wrong result") } }

func fib(n int) int { if n < 2 { return n }; return fib(n-1) + fib(n-2) }
func main() { fmt.Println(best(3, func() { check(fib(40) == 102334155) })/1e6, "ms") }
