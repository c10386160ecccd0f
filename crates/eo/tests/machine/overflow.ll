; Recursion without end is a panic: every frame's cleanup runs (on what is kept in reserve), others are not affected.
@entry.endless = internal global %EntryDesc { ptr @endless, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }
@entry.leaf = internal global %EntryDesc { ptr @endless.leaf, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }
@entry.huge = internal global %EntryDesc { ptr @huge, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }
@entry.healthy = internal global %EntryDesc { ptr @healthy, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }

; Every frame owns a block; its cleanup splits the stack when it can, and yields now and then.
define i64 @dive(i64 %n) #0 personality ptr @__gcc_personality_v0 {
entry:
  %frame = alloca [32 x i64]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %block = call ptr @echo_alloc(i64 32)
  %deeper = add i64 %n, 1
  %rest = invoke i64 @dive(i64 %deeper) to label %ok unwind label %pad
ok:
  call void @echo_free(ptr %block)
  %scaled = mul i64 %rest, %n
  ret i64 %scaled
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @touch.big(i64 9)
  %some = and i64 %n, 255
  %yields = icmp eq i64 %some, 3
  br i1 %yields, label %yield, label %free
yield:
  call void @echo_yield(i32 2)
  br label %free
free:
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

define void @endless(ptr %args, ptr %result) #0 {
  %canary = call ptr @canary()
  %value = call i64 @dive(i64 0)
  store i64 %value, ptr %result
  ret void
}

; LLVM would infer that this never unwinds, and drop its caller's cleanup.
define internal i64 @leaf(i64 %n) #0 {
  %frame = alloca [32 x i64]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  %deeper = add i64 %n, 1
  %rest = call i64 @leaf(i64 %deeper)
  %scaled = mul i64 %rest, %n
  ret i64 %scaled
}

define void @endless.leaf(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %block = call ptr @echo_alloc(i64 32)
  %value = invoke i64 @leaf(i64 0) to label %ok unwind label %pad
ok:
  store i64 %value, ptr %result
  call void @echo_free(ptr %block)
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

; A frame that is larger than any stack.
define internal i64 @giant(i64 %n) #0 {
  %frame = alloca [2000000 x i8]
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  ret i64 %n
}

define void @huge(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %block = call ptr @echo_alloc(i64 32)
  %value = invoke i64 @giant(i64 0) to label %ok unwind label %pad
ok:
  store i64 %value, ptr %result
  call void @echo_free(ptr %block)
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @touch.big(i64 9)
  call void @echo_free(ptr %block)
  resume { ptr, i32 } %exception
}

define void @healthy(ptr %args, ptr %result) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  call void @echo_yield(i32 2)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 1000
  br i1 %more, label %loop, label %done
done:
  store i64 %i.next, ptr %result
  ret void
}

define void @main.code(ptr %args, ptr %result) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
  %healthy = call ptr @start(ptr @entry.healthy, i64 0)
  %endless = call ptr @start(ptr @entry.endless, i64 0)
  %leaf = call ptr @start(ptr @entry.leaf, i64 0)
  %huge = call ptr @start(ptr @entry.huge, i64 0)
  %a = call i64 @finish.failed(ptr %endless)
  %b = call i64 @finish.failed(ptr %leaf)
  %c = call i64 @finish.failed(ptr %huge)
  %d = call i64 @finish.failed(ptr %healthy)
  call void @say(i64 %d)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 10
  br i1 %more, label %loop, label %end
end:
  %never = call i64 @leaf(i64 0)
  store i64 %never, ptr %result
  ret void
}
