; Coroutines that do what a generator of random numbers says, against a model in Rust: recursion over both segments, yields, panics,
; preemption at prologues, cleanups that yield. Thousands at a time, on all workers.
@desc.args = internal constant %TypeDesc { i8 17, i8 0, i16 8, i32 16, ptr @name.int, i32 3, i32 2, ptr @fields.pair, ptr @zero }
@entry.worker = internal global %EntryDesc { ptr @worker, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.driver = internal global %EntryDesc { ptr @driver, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }
@message = internal constant [4 x i8] c"deep"

; State of a worker: { header, random, hash, yields }.
define i64 @next(ptr %state) #0 {
  %place = getelementptr i8, ptr %state, i64 8
  %a = load i64, ptr %place
  %b = shl i64 %a, 13
  %c = xor i64 %a, %b
  %d = lshr i64 %c, 7
  %e = xor i64 %c, %d
  %f = shl i64 %e, 17
  %g = xor i64 %e, %f
  store i64 %g, ptr %place
  ret i64 %g
}

define void @note(ptr %state, i64 %event) #0 {
  %place = getelementptr i8, ptr %state, i64 16
  %old = load i64, ptr %place
  %scaled = mul i64 %old, 31
  %new = add i64 %scaled, %event
  store i64 %new, ptr %place
  ret void
}

define void @pause(ptr %state) #0 {
  %place = getelementptr i8, ptr %state, i64 24
  %old = load i64, ptr %place
  %new = add i64 %old, 1
  store i64 %new, ptr %place
  call void @echo_yield(i32 2)
  ret void
}

; What the next random number says: 0 to 5 a yield, 6 a panic, 7 to 9 a request to be preempted.
define void @act(ptr %state) #0 {
entry:
  %random = call i64 @next(ptr %state)
  %op = urem i64 %random, 24
  switch i64 %op, label %none [
    i64 0, label %yield
    i64 1, label %yield
    i64 2, label %yield
    i64 3, label %yield
    i64 4, label %yield
    i64 5, label %yield
    i64 6, label %panic
    i64 7, label %preempt
    i64 8, label %preempt
    i64 9, label %preempt
  ]
none:
  ret void
yield:
  call void @pause(ptr %state)
  ret void
panic:
  call void @echo_panic_text(ptr @message, i64 4, i32 2)
  unreachable
preempt:
  call void @ask()
  ret void
}

define i64 @deep(ptr %state, i64 %n, i64 %sum) #0 personality ptr @__gcc_personality_v0 {
entry:
  %block = call ptr @echo_alloc(i64 32)
  invoke void @act(ptr %state) to label %acted unwind label %pad
acted:
  %last = icmp eq i64 %n, 0
  br i1 %last, label %done, label %more
more:
  %less = sub i64 %n, 1
  %scaled = mul i64 %sum, 31
  %sum.next = add i64 %scaled, %n
  %low = and i64 %n, 3
  %wide = icmp eq i64 %low, 0
  br i1 %wide, label %call.wide, label %call.narrow
call.wide:
  %a = invoke i64 @deep.wide(ptr %state, i64 %less, i64 %sum.next) to label %done unwind label %pad
call.narrow:
  %b = invoke i64 @deep(ptr %state, i64 %less, i64 %sum.next) to label %done unwind label %pad
done:
  %value = phi i64 [%sum, %acted], [%a, %call.wide], [%b, %call.narrow]
  call void @echo_free(ptr %block)
  %total = add i64 %value, %n
  ret i64 %total
pad:
  %exception = landingpad { ptr, i32 } cleanup
  %event = add i64 %n, 1000
  call void @ask()
  call void @note(ptr %state, i64 %event)
  call void @pause(ptr %state)
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

define i64 @deep.wide(ptr %state, i64 %n, i64 %sum) #0 personality ptr @__gcc_personality_v0 {
entry:
  %frame = alloca [600 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %block = call ptr @echo_alloc(i64 32)
  invoke void @act(ptr %state) to label %acted unwind label %pad
acted:
  %last = icmp eq i64 %n, 0
  br i1 %last, label %done, label %more
more:
  %less = sub i64 %n, 1
  %scaled = mul i64 %sum, 31
  %sum.next = add i64 %scaled, %n
  %low = and i64 %n, 3
  %wide = icmp eq i64 %low, 0
  br i1 %wide, label %call.wide, label %call.narrow
call.wide:
  %a = invoke i64 @deep.wide(ptr %state, i64 %less, i64 %sum.next) to label %done unwind label %pad
call.narrow:
  %b = invoke i64 @deep(ptr %state, i64 %less, i64 %sum.next) to label %done unwind label %pad
done:
  %value = phi i64 [%sum, %acted], [%a, %call.wide], [%b, %call.narrow]
  call void @echo_free(ptr %block)
  %total = add i64 %value, %n
  ret i64 %total
pad:
  %exception = landingpad { ptr, i32 } cleanup
  %event = add i64 %n, 1000
  call void @note(ptr %state, i64 %event)
  call void @pause(ptr %state)
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

define void @worker(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %state = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %n = load i64, ptr %place
  %canary = call ptr @canary()
  %value = invoke i64 @deep(ptr %state, i64 %n, i64 5) to label %ok unwind label %pad
ok:
  call void @note(ptr %state, i64 %value)
  call void @canary.check(ptr %canary)
  store i64 %value, ptr %result
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @canary.check(ptr %canary)
  resume { ptr, i32 } %exception
}

; Runs 300 batches of 50 workers; the sum of their hashes, yields and failures.
define void @driver(ptr %args, ptr %result) #0 {
entry:
  %futures = alloca [50 x ptr]
  %states = alloca [50 x ptr]
  %number = load i64, ptr %args
  br label %batch
batch:
  %k = phi i64 [0, %entry], [%k.next, %batch.done]
  %total = phi i64 [0, %entry], [%sum.next, %batch.done]
  br label %spawn
spawn:
  %i = phi i64 [0, %batch], [%i.next, %spawn]
  %driver.part = mul i64 %number, 1000000
  %batch.part = mul i64 %k, 50
  %part = add i64 %driver.part, %batch.part
  %id = add i64 %part, %i
  %id.1 = add i64 %id, 1
  %seed = mul i64 %id.1, -7046029254386353131
  %seed.odd = or i64 %seed, 1
  %state = call ptr @echo_alloc(i64 32)
  %random = getelementptr i8, ptr %state, i64 8
  store i64 %seed.odd, ptr %random
  %hash = getelementptr i8, ptr %state, i64 16
  store i64 7, ptr %hash
  %yields = getelementptr i8, ptr %state, i64 24
  store i64 0, ptr %yields
  %depth = urem i64 %seed, 40
  %state.place = getelementptr [50 x ptr], ptr %states, i64 0, i64 %i
  store ptr %state, ptr %state.place
  %future = call ptr @start2(ptr @entry.worker, ptr %state, i64 %depth)
  %place = getelementptr [50 x ptr], ptr %futures, i64 0, i64 %i
  store ptr %future, ptr %place
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 50
  br i1 %more, label %spawn, label %await
await:
  %j = phi i64 [0, %spawn], [%j.next, %await]
  %sum = phi i64 [%total, %spawn], [%sum.next, %await]
  %place.j = getelementptr [50 x ptr], ptr %futures, i64 0, i64 %j
  %future.j = load ptr, ptr %place.j
  %failed = call i64 @finish.quiet(ptr %future.j)
  %state.place.j = getelementptr [50 x ptr], ptr %states, i64 0, i64 %j
  %state.j = load ptr, ptr %state.place.j
  %hash.place.j = getelementptr i8, ptr %state.j, i64 16
  %hash.j = load i64, ptr %hash.place.j
  %yields.place.j = getelementptr i8, ptr %state.j, i64 24
  %yields.j = load i64, ptr %yields.place.j
  call void @echo_free(ptr %state.j)
  %a = add i64 %sum, %hash.j
  %b = add i64 %a, %yields.j
  %sum.next = add i64 %b, %failed
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, 50
  br i1 %more.j, label %await, label %batch.done
batch.done:
  %k.next = add i64 %k, 1
  %more.k = icmp ult i64 %k.next, 300
  br i1 %more.k, label %batch, label %done
done:
  store i64 %sum.next, ptr %result
  ret void
}

define void @main.code(ptr %args, ptr %result) #0 {
  %f0 = call ptr @start(ptr @entry.driver, i64 0)
  %f1 = call ptr @start(ptr @entry.driver, i64 1)
  %f2 = call ptr @start(ptr @entry.driver, i64 2)
  %f3 = call ptr @start(ptr @entry.driver, i64 3)
  %v0 = call i64 @finish(ptr %f0)
  call void @say(i64 %v0)
  %v1 = call i64 @finish(ptr %f1)
  call void @say(i64 %v1)
  %v2 = call i64 @finish(ptr %f2)
  call void @say(i64 %v2)
  %v3 = call i64 @finish(ptr %f3)
  call void @say(i64 %v3)
  store i64 0, ptr %result
  ret void
}
