package main

import (
	"fmt"
	"math"
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

func entry(i, j int) float64 { return 1.0 / float64((i+j)*(i+j+1)/2+i+1) }
func times(v []float64, n int) []float64 {
	u := make([]float64, n)
	for i := 0; i < n; i++ {
		s := 0.0
		for j := 0; j < n; j++ {
			s += entry(i, j) * v[j]
		}
		u[i] = s
	}
	return u
}
func timesT(v []float64, n int) []float64 {
	u := make([]float64, n)
	for i := 0; i < n; i++ {
		s := 0.0
		for j := 0; j < n; j++ {
			s += entry(j, i) * v[j]
		}
		u[i] = s
	}
	return u
}
func norm(n int) float64 {
	u, v := make([]float64, n), make([]float64, n)
	for i := range u {
		u[i] = 1
	}
	for i := 0; i < 10; i++ {
		v = timesT(times(u, n), n)
		u = timesT(times(v, n), n)
	}
	a, b := 0.0, 0.0
	for i := range u {
		a += u[i] * v[i]
		b += v[i] * v[i]
	}
	return math.Sqrt(a / b)
}
func main() {
	x := 0.0
	t := best(10, func() { x = norm(1000) })
	check(x > 1.2742241 && x < 1.2742242)
	fmt.Println(t/1e6, "ms")
}
