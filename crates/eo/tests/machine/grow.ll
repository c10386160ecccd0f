; From the first segment to the big one and back: with and without arguments on the stack, with results in registers, with suspensions on
; the way (so that the return happens on another thread), and deep.
@entry.worker = internal global %EntryDesc { ptr @worker, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }

; 700 bytes: never fits on a first segment of 512 bytes.
define i64 @fat(i64 %n, i64 %switch) #0 {
entry:
  %frame = alloca [700 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %place = getelementptr [700 x i8], ptr %frame, i64 0, i64 8
  store i64 %n, ptr %place
  %yields = icmp eq i64 %switch, 0
  br i1 %yields, label %yield, label %on
yield:
  call void @echo_yield(i32 2)
  br label %on
on:
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %back = load i64, ptr %place
  %twice = mul i64 %back, 2
  ret i64 %twice
}

; Six integers in registers, four on the stack; eight doubles in registers, two on the stack; a result of two words.
define { i64, double } @many(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, i64 %j,
    double %p, double %q, double %r, double %s, double %t, double %u, double %v, double %w, double %x, double %y) #0 {
entry:
  %frame = alloca [700 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %yields = icmp eq i64 %c, 0
  br i1 %yields, label %yield, label %on
yield:
  call void @echo_yield(i32 2)
  br label %on
on:
  %b2 = mul i64 %b, 2
  %c3 = mul i64 %c, 3
  %d4 = mul i64 %d, 4
  %e5 = mul i64 %e, 5
  %f6 = mul i64 %f, 6
  %g7 = mul i64 %g, 7
  %h8 = mul i64 %h, 8
  %i9 = mul i64 %i, 9
  %j10 = mul i64 %j, 10
  %ab = add i64 %a, %b2
  %abc = add i64 %ab, %c3
  %abcd = add i64 %abc, %d4
  %abcde = add i64 %abcd, %e5
  %abcdef = add i64 %abcde, %f6
  %abcdefg = add i64 %abcdef, %g7
  %abcdefgh = add i64 %abcdefg, %h8
  %abcdefghi = add i64 %abcdefgh, %i9
  %integers = add i64 %abcdefghi, %j10
  %pq = fadd double %p, %q
  %pqr = fadd double %pq, %r
  %pqrs = fadd double %pqr, %s
  %pqrst = fadd double %pqrs, %t
  %pqrstu = fadd double %pqrst, %u
  %pqrstuv = fadd double %pqrstu, %v
  %pqrstuvw = fadd double %pqrstuv, %w
  %pqrstuvwx = fmul double %pqrstuvw, %x
  %doubles = fadd double %pqrstuvwx, %y
  %first = insertvalue { i64, double } poison, i64 %integers, 0
  %both = insertvalue { i64, double } %first, double %doubles, 1
  ret { i64, double } %both
}

; A sum by recursion, 100 bytes a level and more.
define i64 @deep(i64 %n) #0 {
entry:
  %frame = alloca [64 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %done = icmp eq i64 %n, 0
  br i1 %done, label %end, label %more
end:
  call void @echo_yield(i32 2)
  ret i64 0
more:
  %less = sub i64 %n, 1
  %rest = call i64 @deep(i64 %less)
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %sum = add i64 %rest, %n
  ret i64 %sum
}

define void @worker(ptr %args, ptr %result) #0 {
entry:
  %n = load i64, ptr %args
  %canary = call ptr @canary()
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  %sum = phi i64 [0, %entry], [%sum.next, %loop]
  %switch = urem i64 %i, 7
  %a = call i64 @fat(i64 %i, i64 %switch)
  %x = uitofp i64 %i to double
  %pair = call { i64, double } @many(i64 %i, i64 %n, i64 %switch, i64 4, i64 5, i64 6, i64 %i, i64 %n, i64 %switch, i64 1,
      double 1.0, double %x, double 3.0, double 4.0, double 5.0, double 6.0, double 7.0, double 8.0, double %x, double 2.0)
  %b = extractvalue { i64, double } %pair, 0
  %c.double = extractvalue { i64, double } %pair, 1
  %c = fptoui double %c.double to i64
  %sum.a = add i64 %sum, %a
  %sum.b = add i64 %sum.a, %b
  %sum.next = add i64 %sum.b, %c
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 20000
  br i1 %more, label %loop, label %recurse
recurse:
  %deep = call i64 @deep(i64 8000)
  %total = add i64 %sum.next, %deep
  call void @canary.check(ptr %canary)
  store i64 %total, ptr %result
  ret void
}

define void @main.code(ptr %args, ptr %result) #0 {
entry:
  %futures = alloca [20 x ptr]
  br label %spawn
spawn:
  %i = phi i64 [0, %entry], [%i.next, %spawn]
  %future = call ptr @start(ptr @entry.worker, i64 %i)
  %place = getelementptr [20 x ptr], ptr %futures, i64 0, i64 %i
  store ptr %future, ptr %place
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 20
  br i1 %more, label %spawn, label %await
await:
  %j = phi i64 [0, %spawn], [%j.next, %await]
  %sum = phi i64 [0, %spawn], [%sum.next, %await]
  %place.j = getelementptr [20 x ptr], ptr %futures, i64 0, i64 %j
  %future.j = load ptr, ptr %place.j
  %value = call i64 @finish(ptr %future.j)
  %sum.next = add i64 %sum, %value
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, 20
  br i1 %more.j, label %await, label %done
done:
  call void @say(i64 %sum.next)
  store i64 0, ptr %result
  ret void
}
