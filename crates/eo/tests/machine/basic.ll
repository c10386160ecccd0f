; The main coroutine runs and its result is the exit code.
define void @main.code(ptr %args, ptr %result) #0 {
  call void @say(i64 42)
  store i64 7, ptr %result
  ret void
}
