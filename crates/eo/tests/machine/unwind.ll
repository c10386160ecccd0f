; Panics across segments: the cleanups run in order, each with the limit of the segment it runs on, and may split the stack, wait, change the
; thread, and panic themselves. Each worker says in a log what happened.
@desc.args = internal constant %TypeDesc { i8 17, i8 0, i16 8, i32 16, ptr @name.int, i32 3, i32 2, ptr @fields.pair, ptr @zero }
@entry.three = internal global %EntryDesc { ptr @three, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.nested = internal global %EntryDesc { ptr @nested, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.arguments = internal global %EntryDesc { ptr @arguments, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.inlined = internal global %EntryDesc { ptr @inlined, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.sender = internal global %EntryDesc { ptr @sender, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr null, i32 0, i32 0 }
@message.one = internal constant [3 x i8] c"one"
@message.two = internal constant [3 x i8] c"two"

define void @leaf(i64 %n) #0 {
entry:
  %fine = icmp eq i64 %n, 0
  br i1 %fine, label %ok, label %bad
ok:
  ret void
bad:
  call void @echo_panic_text(ptr @message.one, i64 3, i32 2)
  unreachable
}

; 800 bytes: on the big segment.
define i64 @f3(i64 %n, ptr %log) #0 personality ptr @__gcc_personality_v0 {
entry:
  %frame = alloca [800 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %block = call ptr @echo_alloc(i64 48)
  invoke void @leaf(i64 %n) to label %ok unwind label %pad
ok:
  call void @echo_free(ptr %block)
  ret i64 %n
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @log(ptr %log, i64 3)
  call void @touch.big(i64 33)
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

; Its cleanup is back on the first segment, splits again, and waits in all ways there are.
define i64 @f2(i64 %n, ptr %log) #0 personality ptr @__gcc_personality_v0 {
entry:
  %out = alloca i64
  %block = call ptr @echo_alloc(i64 48)
  %value = invoke i64 @f3(i64 %n, ptr %log) to label %ok unwind label %pad
ok:
  call void @echo_free(ptr %block)
  ret i64 %value
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @log(ptr %log, i64 2)
  call void @touch.big(i64 22)
  call void @echo_yield(i32 2)
  call void @touch.big(i64 22)
  call void @echo_sleep(i64 1, i32 2)
  call void @touch.big(i64 22)
  %channel = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 2)
  %address = ptrtoint ptr %channel to i64
  call void @echo_retain(ptr %channel)
  %future = call ptr @start(ptr @entry.sender, i64 %address)
  call void @echo_release(ptr %future, ptr @desc.future)
  %came = call zeroext i1 @echo_chan_receive(ptr %channel, ptr %out, i32 2)
  %event = load i64, ptr %out
  call void @log(ptr %log, i64 %event)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  call void @touch.big(i64 22)
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

define i64 @f1(i64 %n, ptr %log) #0 personality ptr @__gcc_personality_v0 {
entry:
  %block = call ptr @echo_alloc(i64 48)
  %value = invoke i64 @f2(i64 %n, ptr %log) to label %ok unwind label %pad
ok:
  call void @echo_free(ptr %block)
  ret i64 %value
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @log(ptr %log, i64 1)
  call void @echo_yield(i32 2)
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

define void @sender(ptr %args, ptr %result) #0 {
  %address = load i64, ptr %args
  %channel = inttoptr i64 %address to ptr
  %value = alloca i64
  store i64 55, ptr %value
  call void @echo_chan_send(ptr %channel, ptr %value, i32 2)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  ret void
}

define void @three(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %log = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %n = load i64, ptr %place
  %canary = call ptr @canary()
  %value = invoke i64 @f1(i64 %n, ptr %log) to label %ok unwind label %pad
ok:
  store i64 %value, ptr %result
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @touch.big(i64 44)
  call void @canary.check(ptr %canary)
  resume { ptr, i32 } %exception
}

; ---- a cleanup that panics
define void @panics(i64 %n) #0 {
  %frame = alloca [700 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  call void @echo_panic_text(ptr @message.two, i64 3, i32 2)
  unreachable
}

define void @nest(i64 %n, ptr %log) #0 personality ptr @__gcc_personality_v0 {
entry:
  invoke void @leaf(i64 %n) to label %ok unwind label %pad
ok:
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @log(ptr %log, i64 5)
  call void @panics(i64 8)
  resume { ptr, i32 } %exception
}

define void @nested(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %log = load ptr, ptr %args
  %canary = call ptr @canary()
  invoke void @nest(i64 1, ptr %log) to label %ok unwind label %pad
ok:
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @log(ptr %log, i64 6)
  call void @touch.big(i64 44)
  call void @canary.check(ptr %canary)
  resume { ptr, i32 } %exception
}

; ---- stack arguments, seen by a landing pad on the big segment
define i64 @takes(i64 %n, ptr %log, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, i64 %j) #0 personality ptr @__gcc_personality_v0 {
entry:
  %frame = alloca [700 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  invoke void @leaf(i64 %n) to label %ok unwind label %pad
ok:
  ret i64 %j
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @echo_yield(i32 2)
  %g7 = mul i64 %g, 7
  %h8 = mul i64 %h, 8
  %i9 = mul i64 %i, 9
  %j10 = mul i64 %j, 10
  %gh = add i64 %g7, %h8
  %ghi = add i64 %gh, %i9
  %sum = add i64 %ghi, %j10
  call void @log(ptr %log, i64 %sum)
  resume { ptr, i32 } %exception
}

define void @arguments(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %log = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %n = load i64, ptr %place
  %kept = mul i64 %n, 77
  %canary = call ptr @canary()
  %value = invoke i64 @takes(i64 %n, ptr %log, i64 3, i64 4, i64 5, i64 6, i64 70, i64 80, i64 90, i64 100) to label %ok unwind label %pad
ok:
  store i64 %value, ptr %result
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @log(ptr %log, i64 %kept)
  call void @touch.big(i64 88)
  call void @canary.check(ptr %canary)
  resume { ptr, i32 } %exception
}

; ---- inlined landing pads
define internal void @inner(i64 %n, ptr %log) alwaysinline uwtable "split-stack" personality ptr @__gcc_personality_v0 {
entry:
  %block = call ptr @echo_alloc(i64 48)
  invoke void @leaf(i64 %n) to label %ok unwind label %pad
ok:
  call void @echo_free(ptr %block)
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @echo_free(ptr %block)
  call void @log(ptr %log, i64 11)
  resume { ptr, i32 } %exception
}

define void @inlined(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %log = load ptr, ptr %args
  invoke void @inner(i64 1, ptr %log) to label %ok unwind label %pad
ok:
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @log(ptr %log, i64 12)
  resume { ptr, i32 } %exception
}

; ---- main: each of the four, often, many at the same time
define i64 @batch(ptr %worker, i64 %n) #0 {
entry:
  %futures = alloca [50 x ptr]
  %logs = alloca [50 x ptr]
  br label %spawn
spawn:
  %i = phi i64 [0, %entry], [%i.next, %spawn]
  %log = call ptr @log.new()
  %log.place = getelementptr [50 x ptr], ptr %logs, i64 0, i64 %i
  store ptr %log, ptr %log.place
  %future = call ptr @start2(ptr %worker, ptr %log, i64 %n)
  %place = getelementptr [50 x ptr], ptr %futures, i64 0, i64 %i
  store ptr %future, ptr %place
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 50
  br i1 %more, label %spawn, label %await
await:
  %j = phi i64 [0, %spawn], [%j.next, %await]
  %sum = phi i64 [0, %spawn], [%sum.next, %await]
  %place.j = getelementptr [50 x ptr], ptr %futures, i64 0, i64 %j
  %future.j = load ptr, ptr %place.j
  %failed = call i64 @finish.quiet(ptr %future.j)
  %log.place.j = getelementptr [50 x ptr], ptr %logs, i64 0, i64 %j
  %log.j = load ptr, ptr %log.place.j
  %hash = call i64 @log.hash(ptr %log.j)
  call void @echo_free(ptr %log.j)
  %hash.failed = add i64 %hash, %failed
  %sum.next = add i64 %sum, %hash.failed
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, 50
  br i1 %more.j, label %await, label %done
done:
  ret i64 %sum.next
}

define i64 @batches(ptr %worker, i64 %n, i64 %count) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  %sum = phi i64 [0, %entry], [%sum.next, %loop]
  %batch = call i64 @batch(ptr %worker, i64 %n)
  %sum.next = add i64 %sum, %batch
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, %count
  br i1 %more, label %loop, label %done
done:
  ret i64 %sum.next
}

define void @main.code(ptr %args, ptr %result) #0 {
  %three = call i64 @batches(ptr @entry.three, i64 1, i64 40)
  call void @say(i64 %three)
  %fine = call i64 @batches(ptr @entry.three, i64 0, i64 1)
  call void @say(i64 %fine)
  %nested = call i64 @batches(ptr @entry.nested, i64 1, i64 100)
  call void @say(i64 %nested)
  %arguments = call i64 @batches(ptr @entry.arguments, i64 1, i64 100)
  call void @say(i64 %arguments)
  %inlined = call i64 @batches(ptr @entry.inlined, i64 1, i64 100)
  call void @say(i64 %inlined)
  %log = call ptr @log.new()
  %last = call ptr @start2(ptr @entry.nested, ptr %log, i64 1)
  %minus = call i64 @finish.failed(ptr %last)
  call void @echo_free(ptr %log)
  store i64 0, ptr %result
  ret void
}
