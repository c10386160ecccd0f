; All ways to wait and to be woken: channels with and without buffer, select, promises, sleep, locks.
@desc.args = internal constant %TypeDesc { i8 17, i8 0, i16 8, i32 16, ptr @name.int, i32 3, i32 2, ptr @fields.pair, ptr @zero }
@entry.echo = internal global %EntryDesc { ptr @echo, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.stage = internal global %EntryDesc { ptr @stage, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.source = internal global %EntryDesc { ptr @source, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.closed = internal global %EntryDesc { ptr @closed, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.sleeper = internal global %EntryDesc { ptr @sleeper, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.locker = internal global %EntryDesc { ptr @locker, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.resolver = internal global %EntryDesc { ptr @resolver, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }
@entry.promised = internal global %EntryDesc { ptr @promised, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr @desc.int, i32 0, i32 0 }

; ---- ping-pong: sends back what it receives, plus one, until the channel is closed
define void @echo(ptr %args, ptr %result) #0 {
entry:
  %value = alloca i64
  %channel = load ptr, ptr %args
  br label %loop
loop:
  %count = phi i64 [0, %entry], [%count.next, %came]
  %ok = call zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 2)
  br i1 %ok, label %came, label %done
came:
  %n = load i64, ptr %value
  %n.next = add i64 %n, 1
  store i64 %n.next, ptr %value
  call void @echo_chan_send(ptr %channel, ptr %value, i32 2)
  %count.next = add i64 %count, 1
  br label %loop
done:
  call void @echo_release(ptr %channel, ptr @desc.channel)
  store i64 %count, ptr %result
  ret void
}

define void @ping.pong() #0 {
entry:
  %value = alloca i64
  %channel = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  call void @echo_retain(ptr %channel)
  %future = call ptr @start2(ptr @entry.echo, ptr %channel, i64 0)
  store i64 0, ptr %value
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  call void @echo_chan_send(ptr %channel, ptr %value, i32 1)
  %ok = call zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 1)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 50000
  br i1 %more, label %loop, label %done
done:
  call void @echo_chan_close(ptr %channel, i32 1)
  %count = call i64 @finish(ptr %future)
  call void @say(i64 %count)
  %last = load i64, ptr %value
  call void @say(i64 %last)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  ret void
}

; ---- pipeline: every stage adds one; the pair of channels comes as the addresses in the arguments
define void @stage(ptr %args, ptr %result) #0 {
entry:
  %value = alloca i64
  %in = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %out = load ptr, ptr %place
  br label %loop
loop:
  %ok = call zeroext i1 @echo_chan_receive(ptr %in, ptr %value, i32 2)
  br i1 %ok, label %came, label %done
came:
  %n = load i64, ptr %value
  %n.next = add i64 %n, 1
  store i64 %n.next, ptr %value
  call void @echo_chan_send(ptr %out, ptr %value, i32 2)
  br label %loop
done:
  call void @echo_chan_close(ptr %out, i32 2)
  call void @echo_release(ptr %in, ptr @desc.channel)
  call void @echo_release(ptr %out, ptr @desc.channel)
  store i64 0, ptr %result
  ret void
}

define void @source(ptr %args, ptr %result) #0 {
entry:
  %value = alloca i64
  %out = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %count = load i64, ptr %place
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  store i64 %i, ptr %value
  call void @echo_chan_send(ptr %out, ptr %value, i32 2)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, %count
  br i1 %more, label %loop, label %done
done:
  call void @echo_chan_close(ptr %out, i32 2)
  call void @echo_release(ptr %out, ptr @desc.channel)
  store i64 %count, ptr %result
  ret void
}

; Ten stages, the channels with buffers of 0, 1, 2 …
define void @pipeline() #0 {
entry:
  %value = alloca i64
  %first = call ptr @echo_chan_new(ptr @desc.int, i64 3, i32 1)
  call void @echo_retain(ptr %first)
  %source = call ptr @start2(ptr @entry.source, ptr %first, i64 3000)
  call void @echo_release(ptr %source, ptr @desc.future)
  br label %build
build:
  %i = phi i64 [0, %entry], [%i.next, %build]
  %in = phi ptr [%first, %entry], [%out, %build]
  %out = call ptr @echo_chan_new(ptr @desc.int, i64 %i, i32 1)
  call void @echo_retain(ptr %out)
  %word = ptrtoint ptr %out to i64
  %stage = call ptr @start2(ptr @entry.stage, ptr %in, i64 %word)
  call void @echo_release(ptr %stage, ptr @desc.future)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 10
  br i1 %more, label %build, label %drain
drain:
  %sum = phi i64 [0, %build], [%sum.next, %came]
  %ok = call zeroext i1 @echo_chan_receive(ptr %out, ptr %value, i32 1)
  br i1 %ok, label %came, label %done
came:
  %n = load i64, ptr %value
  %sum.next = add i64 %sum, %n
  br label %drain
done:
  call void @say(i64 %sum)
  call void @echo_release(ptr %out, ptr @desc.channel)
  ret void
}

; ---- select: receives from two sources, sends to a sink, until both are closed
define void @fan.in() #0 {
entry:
  %cases = alloca [3 x %SelectCase]
  %values = alloca [3 x i64]
  %a = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  %b = call ptr @echo_chan_new(ptr @desc.int, i64 4, i32 1)
  %sink = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  %drained = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  call void @echo_retain(ptr %a)
  %source.a = call ptr @start2(ptr @entry.source, ptr %a, i64 5000)
  call void @echo_release(ptr %source.a, ptr @desc.future)
  call void @echo_retain(ptr %b)
  %source.b = call ptr @start2(ptr @entry.source, ptr %b, i64 5000)
  call void @echo_release(ptr %source.b, ptr @desc.future)
  call void @echo_retain(ptr %sink)
  call void @echo_retain(ptr %drained)
  %word = ptrtoint ptr %drained to i64
  %stage = call ptr @start2(ptr @entry.stage, ptr %sink, i64 %word)
  call void @echo_release(ptr %stage, ptr @desc.future)
  %pending = alloca i64
  %have = alloca i64
  %open = alloca i64
  %total = alloca i64
  store i64 0, ptr %have
  store i64 2, ptr %open
  store i64 0, ptr %total
  br label %loop
loop:
  ; with something to pass on: send it, or receive what the stage made of the last one; else receive
  %have.now = load i64, ptr %have
  %sending = icmp eq i64 %have.now, 1
  br i1 %sending, label %send, label %receive
send:
  call void @case(ptr %cases, i64 0, ptr %sink, ptr %pending, i32 0)
  call void @case(ptr %cases, i64 1, ptr %drained, ptr %values, i32 1)
  %index = call i64 @echo_select(ptr %cases, i64 2, i64 -1, i32 1)
  %sent = icmp eq i64 %index, 0
  br i1 %sent, label %was.sent, label %was.drained
was.sent:
  store i64 0, ptr %have
  br label %loop
was.drained:
  %v = load i64, ptr %values
  %t = load i64, ptr %total
  %t.next = add i64 %t, %v
  store i64 %t.next, ptr %total
  br label %loop
receive:
  %open.now = load i64, ptr %open
  %finished = icmp eq i64 %open.now, 0
  br i1 %finished, label %close, label %wait
wait:
  call void @case(ptr %cases, i64 0, ptr %a, ptr %pending, i32 1)
  call void @case(ptr %cases, i64 1, ptr %b, ptr %pending, i32 1)
  call void @case(ptr %cases, i64 2, ptr %drained, ptr %values, i32 1)
  %which = call i64 @echo_select(ptr %cases, i64 3, i64 10000, i32 1)
  %is.drained = icmp eq i64 %which, 2
  br i1 %is.drained, label %was.drained, label %was.received
was.received:
  %ok.place = getelementptr [3 x %SelectCase], ptr %cases, i64 0, i64 %which, i32 4
  %ok = load i32, ptr %ok.place
  %came = icmp eq i32 %ok, 1
  br i1 %came, label %was.value, label %was.closed
was.value:
  store i64 1, ptr %have
  br label %loop
was.closed:
  %open.less = sub i64 %open.now, 1
  store i64 %open.less, ptr %open
  ; wait for the other one alone: a fresh channel takes the place of the closed one
  %is.a = icmp eq i64 %which, 0
  %other = select i1 %is.a, ptr %b, ptr %a
  br label %rest
rest:
  %ok.rest = call zeroext i1 @echo_chan_receive(ptr %other, ptr %pending, i32 1)
  br i1 %ok.rest, label %pass, label %close
pass:
  call void @case(ptr %cases, i64 0, ptr %sink, ptr %pending, i32 0)
  call void @case(ptr %cases, i64 1, ptr %drained, ptr %values, i32 1)
  %index.pass = call i64 @echo_select(ptr %cases, i64 2, i64 -1, i32 1)
  %passed = icmp eq i64 %index.pass, 0
  br i1 %passed, label %rest, label %drained.pass
drained.pass:
  %v.pass = load i64, ptr %values
  %t.pass = load i64, ptr %total
  %t.pass.next = add i64 %t.pass, %v.pass
  store i64 %t.pass.next, ptr %total
  br label %pass
close:
  call void @echo_chan_close(ptr %sink, i32 1)
  br label %last
last:
  %ok.last = call zeroext i1 @echo_chan_receive(ptr %drained, ptr %values, i32 1)
  br i1 %ok.last, label %add.last, label %done
add.last:
  %v.last = load i64, ptr %values
  %t.last = load i64, ptr %total
  %t.last.next = add i64 %t.last, %v.last
  store i64 %t.last.next, ptr %total
  br label %last
done:
  %sum = load i64, ptr %total
  call void @say(i64 %sum)
  call void @echo_release(ptr %a, ptr @desc.channel)
  call void @echo_release(ptr %b, ptr @desc.channel)
  call void @echo_release(ptr %sink, ptr @desc.channel)
  call void @echo_release(ptr %drained, ptr @desc.channel)
  ret void
}

; Fills a case in.
define internal void @case(ptr %cases, i64 %index, ptr %channel, ptr %value, i32 %kind) #0 {
  %c = getelementptr %SelectCase, ptr %cases, i64 %index, i32 0
  store ptr %channel, ptr %c
  %v = getelementptr %SelectCase, ptr %cases, i64 %index, i32 1
  store ptr %value, ptr %v
  %k = getelementptr %SelectCase, ptr %cases, i64 %index, i32 2
  store i32 %kind, ptr %k
  %p = getelementptr %SelectCase, ptr %cases, i64 %index, i32 3
  store i32 1, ptr %p
  ret void
}

; ---- time: a select that times out; sleepers wake in order
define void @timeouts() #0 {
entry:
  %cases = alloca [2 x %SelectCase]
  %value = alloca i64
  %channel = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %next]
  call void @case(ptr %cases, i64 0, ptr %channel, ptr %value, i32 1)
  call void @case(ptr %cases, i64 1, ptr %channel, ptr %value, i32 0)
  %start = call i64 @echo_time_now_ns()
  %which = call i64 @echo_select(ptr %cases, i64 2, i64 1, i32 1)
  %end = call i64 @echo_time_now_ns()
  %time = sub i64 %end, %start
  %early = icmp slt i64 %time, 1000000
  %not.timeout = icmp ne i64 %which, -2
  %bad = or i1 %early, %not.timeout
  br i1 %bad, label %wrong, label %next
wrong:
  call void @say(i64 -1)
  br label %next
next:
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 20
  br i1 %more, label %loop, label %done
done:
  %poll = call i64 @echo_select(ptr %cases, i64 2, i64 -2, i32 1)
  call void @say(i64 %poll)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  ret void
}

define void @sleeper(ptr %args, ptr %result) #0 {
  %value = alloca i64
  %channel = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %time = load i64, ptr %place
  call void @echo_sleep(i64 %time, i32 2)
  store i64 %time, ptr %value
  call void @echo_chan_send(ptr %channel, ptr %value, i32 2)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  store i64 0, ptr %result
  ret void
}

define void @sleepers() #0 {
entry:
  %value = alloca i64
  %channel = call ptr @echo_chan_new(ptr @desc.int, i64 3, i32 1)
  call void @echo_retain(ptr %channel)
  %a = call ptr @start2(ptr @entry.sleeper, ptr %channel, i64 1200)
  call void @echo_release(ptr %a, ptr @desc.future)
  call void @echo_retain(ptr %channel)
  %b = call ptr @start2(ptr @entry.sleeper, ptr %channel, i64 10)
  call void @echo_release(ptr %b, ptr @desc.future)
  call void @echo_retain(ptr %channel)
  %c = call ptr @start2(ptr @entry.sleeper, ptr %channel, i64 600)
  call void @echo_release(ptr %c, ptr @desc.future)
  %ok1 = call zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 1)
  %v1 = load i64, ptr %value
  call void @say(i64 %v1)
  %ok2 = call zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 1)
  %v2 = load i64, ptr %value
  call void @say(i64 %v2)
  %ok3 = call zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 1)
  %v3 = load i64, ptr %value
  call void @say(i64 %v3)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  ret void
}

; ---- a sender that already waits panics when the channel is closed
define void @closed(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %value = alloca i64
  %channel = load ptr, ptr %args
  store i64 1, ptr %value
  invoke void @echo_chan_send(ptr %channel, ptr %value, i32 2) to label %sent unwind label %pad
sent:
  call void @echo_release(ptr %channel, ptr @desc.channel)
  store i64 0, ptr %result
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @touch.big(i64 5)
  call void @echo_yield(i32 2)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  resume { ptr, i32 } %exception
}

define void @close.panics() #0 {
  %channel = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  call void @echo_retain(ptr %channel)
  %a = call ptr @start2(ptr @entry.closed, ptr %channel, i64 0)
  call void @echo_retain(ptr %channel)
  %b = call ptr @start2(ptr @entry.closed, ptr %channel, i64 0)
  call void @echo_sleep(i64 5, i32 1)
  call void @echo_chan_close(ptr %channel, i32 1)
  %va = call i64 @finish.failed(ptr %a)
  %vb = call i64 @finish.failed(ptr %b)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  ret void
}

; ---- a lock around an ordinary counter
@counter = internal global i64 0
define void @locker(ptr %args, ptr %result) #0 {
entry:
  %lock = load ptr, ptr %args
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %unlock]
  call void @echo_mutex_lock(ptr %lock, i32 2)
  %n = load volatile i64, ptr @counter
  %low = and i64 %i, 3
  %yields = icmp eq i64 %low, 0
  br i1 %yields, label %yield, label %unlock
yield:
  call void @echo_yield(i32 2)
  br label %unlock
unlock:
  %n.next = add i64 %n, 1
  store volatile i64 %n.next, ptr @counter
  call void @echo_mutex_unlock(ptr %lock, i32 2)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 2000
  br i1 %more, label %loop, label %done
done:
  store i64 0, ptr %result
  ret void
}

@fields.lock = internal constant [1 x %FieldDesc] [%FieldDesc { ptr @desc.int, ptr null, i32 0, i32 0 }]
@desc.lock = internal constant %TypeDesc { i8 23, i8 1, i16 8, i32 8, ptr @name.int, i32 3, i32 1, ptr @fields.lock, ptr null }
define void @lockers() #0 {
entry:
  %futures = alloca [8 x ptr]
  %value = alloca i64
  store i64 0, ptr %value
  %lock = call ptr @echo_mutex_new(ptr @desc.int, ptr %value)
  br label %spawn
spawn:
  %i = phi i64 [0, %entry], [%i.next, %spawn]
  %future = call ptr @start2(ptr @entry.locker, ptr %lock, i64 0)
  %place = getelementptr [8 x ptr], ptr %futures, i64 0, i64 %i
  store ptr %future, ptr %place
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 8
  br i1 %more, label %spawn, label %await
await:
  %j = phi i64 [0, %spawn], [%j.next, %await]
  %place.j = getelementptr [8 x ptr], ptr %futures, i64 0, i64 %j
  %future.j = load ptr, ptr %place.j
  %v = call i64 @finish(ptr %future.j)
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, 8
  br i1 %more.j, label %await, label %done
done:
  %count = load i64, ptr @counter
  call void @say(i64 %count)
  call void @echo_release(ptr %lock, ptr @desc.lock)
  ret void
}

; ---- promises: many await one, and each other's futures
define void @resolver(ptr %args, ptr %result) #0 {
  %value = alloca i64
  %promise = load ptr, ptr %args
  call void @echo_sleep(i64 5, i32 2)
  store i64 1000, ptr %value
  %first = call zeroext i1 @echo_promise_resolve(ptr %promise, ptr %value)
  %word = zext i1 %first to i64
  call void @echo_release(ptr %promise, ptr @desc.future)
  store i64 %word, ptr %result
  ret void
}

define void @promised(ptr %args, ptr %result) #0 {
  %value = alloca i64
  %promise = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %n = load i64, ptr %place
  call void @echo_await(ptr %promise, ptr %value, i32 2)
  %got = load i64, ptr %value
  %sum = add i64 %got, %n
  call void @echo_release(ptr %promise, ptr @desc.future)
  store i64 %sum, ptr %result
  ret void
}

define void @promises() #0 {
entry:
  %futures = alloca [100 x ptr]
  %crossing = alloca ptr
  %promise = call ptr @echo_promise_new(ptr @desc.int)
  store ptr %promise, ptr %crossing
  call void @echo_share(ptr %crossing, ptr @desc.future)
  br label %spawn
spawn:
  %i = phi i64 [0, %entry], [%i.next, %spawn]
  call void @echo_retain(ptr %promise)
  %future = call ptr @start2(ptr @entry.promised, ptr %promise, i64 %i)
  %place = getelementptr [100 x ptr], ptr %futures, i64 0, i64 %i
  store ptr %future, ptr %place
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 100
  br i1 %more, label %spawn, label %resolve
resolve:
  call void @echo_retain(ptr %promise)
  %r1 = call ptr @start2(ptr @entry.resolver, ptr %promise, i64 0)
  call void @echo_retain(ptr %promise)
  %r2 = call ptr @start2(ptr @entry.resolver, ptr %promise, i64 0)
  br label %await
await:
  %j = phi i64 [0, %resolve], [%j.next, %await]
  %sum = phi i64 [0, %resolve], [%sum.next, %await]
  %place.j = getelementptr [100 x ptr], ptr %futures, i64 0, i64 %j
  %future.j = load ptr, ptr %place.j
  %v = call i64 @finish(ptr %future.j)
  %sum.next = add i64 %sum, %v
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, 100
  br i1 %more.j, label %await, label %done
done:
  %first = call i64 @finish(ptr %r1)
  %second = call i64 @finish(ptr %r2)
  %firsts = add i64 %first, %second
  call void @say(i64 %firsts)
  call void @say(i64 %sum.next)
  call void @echo_release(ptr %promise, ptr @desc.future)
  ret void
}

define void @main.code(ptr %args, ptr %result) #0 {
  call void @ping.pong()
  call void @pipeline()
  call void @fan.in()
  call void @timeouts()
  call void @sleepers()
  call void @close.panics()
  call void @lockers()
  call void @promises()
  store i64 0, ptr %result
  ret void
}
