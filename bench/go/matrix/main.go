package main

import (
	"fmt"
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

func product(a, b [][]float64, n int) [][]float64 {
	c := [][]float64{}
	for i := 0; i < n; i++ {
		row := make([]float64, n)
		for k := 0; k < n; k++ {
			x := a[i][k]
			other := b[k]
			for j := 0; j < n; j++ {
				row[j] += x * other[j]
			}
		}
		c = append(c, row)
	}
	return c
}
func main() {
	n := 512
	a, b := [][]float64{}, [][]float64{}
	for i := 0; i < n; i++ {
		r, s := []float64{}, []float64{}
		for j := 0; j < n; j++ {
			r = append(r, float64((i*j)%7))
			s = append(s, float64((i+j)%5))
		}
		a, b = append(a, r), append(b, s)
	}
	var c [][]float64
	t := best(15, func() { c = product(a, b, n) })
	s := 0.0
	for k := 0; k < n; k++ {
		s += a[17][k] * b[k][400]
	}
	check(c[17][400] == s)
	fmt.Println(t/1e6, "ms")
}
