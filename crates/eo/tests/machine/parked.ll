; 100,000 coroutines wait on one channel. Half of them get a value, the others wait for ever: at the end they are cancelled, their cleanups
; run (and split the stack, yield, sleep, wait for ever again), and nothing is left.
@desc.args = internal constant %TypeDesc { i8 17, i8 0, i16 8, i32 16, ptr @name.int, i32 3, i32 2, ptr @fields.pair, ptr @zero }
@entry.waiter = internal global %EntryDesc { ptr @waiter, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@served = internal global i64 0
@arrived = internal global i64 0

define void @wait(ptr %channel, i64 %n) #0 personality ptr @__gcc_personality_v0 {
entry:
  %value = alloca i64
  %block = call ptr @echo_alloc(i64 40)
  %arrived = atomicrmw add ptr @arrived, i64 1 monotonic
  %came = invoke zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 2) to label %received unwind label %pad
received:
  %got = load i64, ptr %value
  %served = atomicrmw add ptr @served, i64 %got monotonic
  call void @echo_free(ptr %block)
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  %kind = and i64 %n, 255
  switch i64 %kind, label %free [
    i64 0, label %split
    i64 2, label %yield
    i64 4, label %sleep
    i64 6, label %again
  ]
split:
  call void @touch.big(i64 1)
  br label %free
yield:
  call void @echo_yield(i32 2)
  br label %free
sleep:
  call void @echo_sleep(i64 5, i32 2)
  br label %free
again:
  %never = invoke zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 2) to label %free unwind label %pad.again
pad.again:
  %second = landingpad { ptr, i32 } cleanup
  call void @touch.big(i64 1)
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %second
free:
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

define void @waiter(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %channel = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %n = load i64, ptr %place
  invoke void @wait(ptr %channel, i64 %n) to label %ok unwind label %pad
ok:
  call void @echo_release(ptr %channel, ptr @desc.channel)
  store i64 0, ptr %result
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @echo_release(ptr %channel, ptr @desc.channel)
  resume { ptr, i32 } %exception
}

define void @main.code(ptr %args, ptr %result) #0 {
entry:
  %value = alloca i64
  %channel = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  br label %spawn
spawn:
  %i = phi i64 [0, %entry], [%i.next, %spawn]
  call void @echo_retain(ptr %channel)
  %future = call ptr @start2(ptr @entry.waiter, ptr %channel, i64 %i)
  call void @echo_release(ptr %future, ptr @desc.future)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 100000
  br i1 %more, label %spawn, label %settle
settle:
  call void @echo_yield(i32 1)
  %arrived = load atomic i64, ptr @arrived monotonic, align 8
  %all = icmp eq i64 %arrived, 100000
  br i1 %all, label %send, label %settle
send:
  %j = phi i64 [0, %settle], [%j.next, %send]
  store i64 1, ptr %value
  call void @echo_chan_send(ptr %channel, ptr %value, i32 1)
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, 50000
  br i1 %more.j, label %send, label %count
count:
  call void @echo_yield(i32 1)
  %served = load atomic i64, ptr @served monotonic, align 8
  %done = icmp eq i64 %served, 50000
  br i1 %done, label %end, label %count
end:
  call void @say(i64 %served)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  store i64 0, ptr %result
  ret void
}
