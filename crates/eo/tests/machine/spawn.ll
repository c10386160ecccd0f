; Many coroutines, each awaited by main.
@entry.square = internal global %EntryDesc { ptr @square, ptr @text.worker, i32 6, i32 0, ptr @desc.int, ptr @desc.int, i32 0, i32 0 }

define void @square(ptr %args, ptr %result) #0 {
  %n = load i64, ptr %args
  call void @echo_yield(i32 2)
  %square = mul i64 %n, %n
  store i64 %square, ptr %result
  ret void
}

define void @main.code(ptr %args, ptr %result) #0 {
entry:
  %futures = alloca [1000 x ptr]
  br label %spawn
spawn:
  %i = phi i64 [0, %entry], [%i.next, %spawn]
  %i.next = add i64 %i, 1
  %future = call ptr @start(ptr @entry.square, i64 %i.next)
  %place = getelementptr [1000 x ptr], ptr %futures, i64 0, i64 %i
  store ptr %future, ptr %place
  %more = icmp ult i64 %i.next, 1000
  br i1 %more, label %spawn, label %await
await:
  %j = phi i64 [0, %spawn], [%j.next, %await]
  %sum = phi i64 [0, %spawn], [%sum.next, %await]
  %place.j = getelementptr [1000 x ptr], ptr %futures, i64 0, i64 %j
  %future.j = load ptr, ptr %place.j
  %value = call i64 @finish(ptr %future.j)
  %sum.next = add i64 %sum, %value
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, 1000
  br i1 %more.j, label %await, label %done
done:
  call void @say(i64 %sum.next)
  store i64 0, ptr %result
  ret void
}
