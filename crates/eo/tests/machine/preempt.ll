; Coroutines that never suspend are preempted: at prologues, with arguments in all registers and on the stack, and at polls of loops.
@entry.caller = internal global %EntryDesc { ptr @caller, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }
@entry.poller = internal global %EntryDesc { ptr @poller, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }
@entry.ticker = internal global %EntryDesc { ptr @ticker, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }
@entry.asker = internal global %EntryDesc { ptr @asker, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }
@stop = internal global i64 0

; Small frame: stays where it is.
define { i64, double } @small(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h,
    double %p, double %q, double %r, double %s, double %t, double %u, double %v, double %w, double %x) #0 {
  %b2 = mul i64 %b, 2
  %c3 = mul i64 %c, 3
  %d4 = mul i64 %d, 4
  %e5 = mul i64 %e, 5
  %f6 = mul i64 %f, 6
  %g7 = mul i64 %g, 7
  %h8 = mul i64 %h, 8
  %ab = add i64 %a, %b2
  %abc = add i64 %ab, %c3
  %abcd = add i64 %abc, %d4
  %abcde = add i64 %abcd, %e5
  %abcdef = add i64 %abcde, %f6
  %abcdefg = add i64 %abcdef, %g7
  %integers = add i64 %abcdefg, %h8
  %q2 = fmul double %q, 2.0
  %r3 = fmul double %r, 3.0
  %s4 = fmul double %s, 4.0
  %t5 = fmul double %t, 5.0
  %u6 = fmul double %u, 6.0
  %v7 = fmul double %v, 7.0
  %w8 = fmul double %w, 8.0
  %x9 = fmul double %x, 9.0
  %pq = fadd double %p, %q2
  %pqr = fadd double %pq, %r3
  %pqrs = fadd double %pqr, %s4
  %pqrst = fadd double %pqrs, %t5
  %pqrstu = fadd double %pqrst, %u6
  %pqrstuv = fadd double %pqrstu, %v7
  %pqrstuvw = fadd double %pqrstuv, %w8
  %doubles = fadd double %pqrstuvw, %x9
  %first = insertvalue { i64, double } poison, i64 %integers, 0
  %both = insertvalue { i64, double } %first, double %doubles, 1
  ret { i64, double } %both
}

; Large frame: needs the big segment, and calls `small` from there.
define { i64, double } @large(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h,
    double %p, double %q, double %r, double %s, double %t, double %u, double %v, double %w, double %x, i64 %ask) #0 {
entry:
  %frame = alloca [700 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %asks = icmp eq i64 %ask, 1
  br i1 %asks, label %ask.now, label %go
ask.now:
  call void @ask()
  br label %go
go:
  %both = call { i64, double } @small(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h,
      double %p, double %q, double %r, double %s, double %t, double %u, double %v, double %w, double %x)
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  ret { i64, double } %both
}

; 1 when a pair is not what `small` makes of i, i+1, … i+7 and i, i+1, … i+8.
define i64 @wrong({ i64, double } %pair, i64 %i) #0 {
  %integers = extractvalue { i64, double } %pair, 0
  %doubles = extractvalue { i64, double } %pair, 1
  %i36 = mul i64 %i, 36
  %integers.right = add i64 %i36, 168
  %i45 = mul i64 %i, 45
  %sum = add i64 %i45, 240
  %doubles.right = sitofp i64 %sum to double
  %a = icmp ne i64 %integers, %integers.right
  %b = fcmp one double %doubles, %doubles.right
  %any = or i1 %a, %b
  %word = zext i1 %any to i64
  ret i64 %word
}

define i64 @try.small(i64 %i) alwaysinline uwtable "split-stack" {
  %i1 = add i64 %i, 1
  %i2 = add i64 %i, 2
  %i3 = add i64 %i, 3
  %i4 = add i64 %i, 4
  %i5 = add i64 %i, 5
  %i6 = add i64 %i, 6
  %i7 = add i64 %i, 7
  %p = sitofp i64 %i to double
  %q = fadd double %p, 1.0
  %r = fadd double %p, 2.0
  %s = fadd double %p, 3.0
  %t = fadd double %p, 4.0
  %u = fadd double %p, 5.0
  %v = fadd double %p, 6.0
  %w = fadd double %p, 7.0
  %x = fadd double %p, 8.0
  %pair = call { i64, double } @small(i64 %i, i64 %i1, i64 %i2, i64 %i3, i64 %i4, i64 %i5, i64 %i6, i64 %i7,
      double %p, double %q, double %r, double %s, double %t, double %u, double %v, double %w, double %x)
  %wrong = call i64 @wrong({ i64, double } %pair, i64 %i)
  ret i64 %wrong
}

define i64 @try.large(i64 %i, i64 %ask) alwaysinline uwtable "split-stack" {
  %i1 = add i64 %i, 1
  %i2 = add i64 %i, 2
  %i3 = add i64 %i, 3
  %i4 = add i64 %i, 4
  %i5 = add i64 %i, 5
  %i6 = add i64 %i, 6
  %i7 = add i64 %i, 7
  %p = sitofp i64 %i to double
  %q = fadd double %p, 1.0
  %r = fadd double %p, 2.0
  %s = fadd double %p, 3.0
  %t = fadd double %p, 4.0
  %u = fadd double %p, 5.0
  %v = fadd double %p, 6.0
  %w = fadd double %p, 7.0
  %x = fadd double %p, 8.0
  %pair = call { i64, double } @large(i64 %i, i64 %i1, i64 %i2, i64 %i3, i64 %i4, i64 %i5, i64 %i6, i64 %i7,
      double %p, double %q, double %r, double %s, double %t, double %u, double %v, double %w, double %x, i64 %ask)
  %wrong = call i64 @wrong({ i64, double } %pair, i64 %i)
  ret i64 %wrong
}

; Calls until it is told to stop; how often the result was wrong.
define void @caller(ptr %args, ptr %result) #0 {
entry:
  %canary = call ptr @canary()
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  %wrongs = phi i64 [0, %entry], [%sum.b, %loop]
  %a = call i64 @try.small(i64 %i)
  %b = call i64 @try.large(i64 %i, i64 0)
  %sum.a = add i64 %wrongs, %a
  %sum.b = add i64 %sum.a, %b
  %i.next = add i64 %i, 1
  %stop = load atomic i64, ptr @stop monotonic, align 8
  %more = icmp eq i64 %stop, 0
  br i1 %more, label %loop, label %done
done:
  call void @canary.check(ptr %canary)
  store i64 %sum.b, ptr %result
  ret void
}

; Calls nothing but the poll of its loop.
define void @poller(ptr %args, ptr %result) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %on]
  %limit = load atomic i64, ptr addrspace(257) inttoptr (i64 112 to ptr addrspace(257)) monotonic, align 8
  %asked = icmp eq i64 %limit, -1
  br i1 %asked, label %yield, label %on
yield:
  call void @echo_poll()
  br label %on
on:
  %i.next = add i64 %i, 1
  %stop = load atomic i64, ptr @stop monotonic, align 8
  %more = icmp eq i64 %stop, 0
  br i1 %more, label %loop, label %done
done:
  store i64 0, ptr %result
  ret void
}

define void @ticker(ptr %args, ptr %result) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  call void @echo_sleep(i64 1, i32 2)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 5
  br i1 %more, label %loop, label %done
done:
  store i64 %i.next, ptr %result
  ret void
}

; Is preempted at every call of each kind: on the first segment, on the way to the big one, and there.
define void @asker(ptr %args, ptr %result) #0 {
entry:
  %canary = call ptr @canary()
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  %wrongs = phi i64 [0, %entry], [%sum.c, %loop]
  call void @ask()
  %a = call i64 @try.small(i64 %i)
  call void @ask()
  %b = call i64 @try.large(i64 %i, i64 0)
  %c = call i64 @try.large(i64 %i, i64 1)
  %sum.a = add i64 %wrongs, %a
  %sum.b = add i64 %sum.a, %b
  %sum.c = add i64 %sum.b, %c
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 20000
  br i1 %more, label %loop, label %done
done:
  call void @canary.check(ptr %canary)
  store i64 %sum.c, ptr %result
  ret void
}

define void @main.code(ptr %args, ptr %result) #0 {
  %a0 = call ptr @start(ptr @entry.asker, i64 0)
  %a1 = call ptr @start(ptr @entry.asker, i64 1)
  %a2 = call ptr @start(ptr @entry.asker, i64 2)
  %a3 = call ptr @start(ptr @entry.asker, i64 3)
  %av0 = call i64 @finish(ptr %a0)
  call void @say(i64 %av0)
  %av1 = call i64 @finish(ptr %a1)
  call void @say(i64 %av1)
  %av2 = call i64 @finish(ptr %a2)
  call void @say(i64 %av2)
  %av3 = call i64 @finish(ptr %a3)
  call void @say(i64 %av3)
  %c0 = call ptr @start(ptr @entry.caller, i64 0)
  %p0 = call ptr @start(ptr @entry.poller, i64 0)
  %c1 = call ptr @start(ptr @entry.caller, i64 0)
  %p1 = call ptr @start(ptr @entry.poller, i64 0)
  %c2 = call ptr @start(ptr @entry.caller, i64 0)
  %p2 = call ptr @start(ptr @entry.poller, i64 0)
  %t = call ptr @start(ptr @entry.ticker, i64 0)
  %ticks = call i64 @finish(ptr %t)
  call void @say(i64 %ticks)
  store atomic i64 1, ptr @stop monotonic, align 8
  %v0 = call i64 @finish(ptr %c0)
  call void @say(i64 %v0)
  %v1 = call i64 @finish(ptr %c1)
  call void @say(i64 %v1)
  %v2 = call i64 @finish(ptr %c2)
  call void @say(i64 %v2)
  %w0 = call i64 @finish(ptr %p0)
  %w1 = call i64 @finish(ptr %p1)
  %w2 = call i64 @finish(ptr %p2)
  store i64 0, ptr %result
  ret void
}
