; Main waits for what never comes, a coroutine waits for somebody to take what it sends; what both own is given up when the blocks are counted.
@desc.args = internal constant %TypeDesc { i8 17, i8 0, i16 8, i32 16, ptr @name.int, i32 3, i32 2, ptr @fields.pair, ptr @zero }
@entry.sender = internal global %EntryDesc { ptr @sender, ptr @text.worker, i32 6, i32 0, ptr @desc.args, ptr null, i32 0, i32 0 }

define void @sender(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %value = alloca i64
  %channel = load ptr, ptr %args
  store i64 1, ptr %value
  invoke void @echo_chan_send(ptr %channel, ptr %value, i32 4) to label %sent unwind label %pad
sent:
  call void @echo_release(ptr %channel, ptr @desc.channel)
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @touch.big(i64 4)
  call void @echo_yield(i32 2)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  resume { ptr, i32 } %exception
}

define void @main.code(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %value = alloca i64
  %sent.to = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  %future = call ptr @start2(ptr @entry.sender, ptr %sent.to, i64 0)
  call void @echo_release(ptr %future, ptr @desc.future)
  %channel = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 1)
  %came = invoke zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 3) to label %received unwind label %pad
received:
  store i64 0, ptr %result
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @echo_release(ptr %channel, ptr @desc.channel)
  resume { ptr, i32 } %exception
}
