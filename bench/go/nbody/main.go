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

type Body struct{ x, y, z, vx, vy, vz, mass float64 }

func bodies() []Body {
	const mass = 4 * math.Pi * math.Pi
	const days = 365.24
	return []Body{
		{0, 0, 0, 0, 0, 0, mass},
		{4.84143144246472090, -1.16032004402742839, -0.103622044471123109, 0.00166007664274403694 * days, 0.00769901118419740425 * days, -0.0000690460016972063023 * days, 0.000954791938424326609 * mass},
		{8.34336671824457987, 4.12479856412430479, -0.403523417114321381, -0.00276742510726411021 * days, 0.00499852801234917238 * days, 0.0000230417297573763929 * days, 0.000285885980666130812 * mass},
		{12.8943695621391310, -15.1111514016986312, -0.223307578892655734, 0.00296460137564761618 * days, 0.00237847173959480950 * days, -0.0000296589568540237556 * days, 0.0000436624404335156298 * mass},
		{15.3796971148509165, -25.9193146099879641, 0.179258772950371181, 0.00268067772490389322 * days, 0.00162824170038242295 * days, -0.0000951592254519715870 * days, 0.0000515138902046611451 * mass},
	}
}
func advance(b []Body, dt float64) {
	n := len(b)
	for i := 0; i < n; i++ {
		for j := i + 1; j < n; j++ {
			dx, dy, dz := b[i].x-b[j].x, b[i].y-b[j].y, b[i].z-b[j].z
			d2 := dx*dx + dy*dy + dz*dz
			mag := dt / (d2 * math.Sqrt(d2))
			mi, mj := b[i].mass*mag, b[j].mass*mag
			b[i].vx -= dx * mj
			b[i].vy -= dy * mj
			b[i].vz -= dz * mj
			b[j].vx += dx * mi
			b[j].vy += dy * mi
			b[j].vz += dz * mi
		}
	}
	for i := 0; i < n; i++ {
		b[i].x += dt * b[i].vx
		b[i].y += dt * b[i].vy
		b[i].z += dt * b[i].vz
	}
}
func energy(b []Body) float64 {
	e := 0.0
	for i, s := range b {
		e += 0.5 * s.mass * (s.vx*s.vx + s.vy*s.vy + s.vz*s.vz)
		for _, o := range b[i+1:] {
			dx, dy, dz := s.x-o.x, s.y-o.y, s.z-o.z
			e -= s.mass * o.mass / math.Sqrt(dx*dx+dy*dy+dz*dz)
		}
	}
	return e
}
func main() {
	t := best(3, func() {
		b := bodies()
		before := energy(b)
		for i := 0; i < 5000000; i++ {
			advance(b, 0.01)
		}
		check(math.Abs(energy(b)-before) < 1e-3)
	})
	fmt.Println(t/1e6, "ms")
}
