; What a compiler that targets the Echo runtime emits: coroutines on growing stacks smaller than a page.
;
; Main starts one coroutine per Fibonacci number; each computes its number by calls (on a stack that grows when it has to) and sends the pair
; through a channel. README.md says how to build this; include/echo.h describes every function and layout.

target triple = "x86_64-unknown-linux-gnu"

%TypeDesc = type { i8, i8, i16, i32, ptr, i32, i32, ptr, ptr }
%FieldDesc = type { ptr, ptr, i32, i32 }
%EntryDesc = type { ptr, ptr, i32, i32, ptr, ptr, i32, i32 }

declare ptr @echo_chan_new(ptr, i64, i32)
declare void @echo_chan_send(ptr, ptr, i32)
declare zeroext i1 @echo_chan_receive(ptr, ptr, i32)
declare ptr @echo_spawn(ptr, ptr, i32)
declare void @echo_retain(ptr) nounwind
declare void @echo_release(ptr, ptr) nounwind
declare void @echo_print(ptr, ptr) nounwind
declare void @echo_unwind_resume(ptr) noreturn
declare i32 @__gcc_personality_v0(...)
declare i32 @echo_start(i32, ptr, ptr)

; ---- types: int; (chan, int); future and channel of int
@name = internal constant [5 x i8] c"value"
@desc.int = internal constant %TypeDesc { i8 6, i8 0, i16 8, i32 8, ptr @name, i32 5, i32 0, ptr null, ptr @zero }
@zero = internal constant i64 0
@fields.int = internal constant [1 x %FieldDesc] [%FieldDesc { ptr @desc.int, ptr null, i32 0, i32 0 }]
@desc.future = internal constant %TypeDesc { i8 21, i8 1, i16 8, i32 8, ptr @name, i32 5, i32 1, ptr @fields.int, ptr null }
@desc.channel = internal constant %TypeDesc { i8 20, i8 1, i16 8, i32 8, ptr @name, i32 5, i32 1, ptr @fields.int, ptr null }
@fields.args = internal constant [2 x %FieldDesc] [
  %FieldDesc { ptr @desc.channel, ptr null, i32 0, i32 0 },
  %FieldDesc { ptr @desc.int, ptr null, i32 0, i32 8 }]
@desc.args = internal constant %TypeDesc { i8 17, i8 1, i16 8, i32 16, ptr @name, i32 5, i32 2, ptr @fields.args, ptr null }

; ---- what can become a coroutine, and the module
@name.main = internal constant [4 x i8] c"main"
@name.worker = internal constant [6 x i8] c"worker"
@entry.main = internal global %EntryDesc { ptr @program, ptr @name.main, i32 4, i32 0, ptr null, ptr @desc.int, i32 0, i32 0 }
@entry.worker = internal global %EntryDesc { ptr @worker, ptr @name.worker, i32 6, i32 0, ptr @desc.args, ptr null, i32 0, i32 0 }
@echo_module = global { i32, i32, ptr, ptr, ptr, i32, i32, ptr, ptr, ptr } {
  i32 1, i32 0, ptr null, ptr null, ptr null, i32 0, i32 0, ptr @entry.main, ptr null, ptr null }

define i32 @main(i32 %argc, ptr %argv) uwtable {
  %code = call i32 @echo_start(i32 %argc, ptr %argv, ptr @echo_module)
  ret i32 %code
}

define internal i64 @fibonacci(i64 %n) #0 {
entry:
  %small = icmp ult i64 %n, 2
  br i1 %small, label %base, label %recurse
base:
  ret i64 %n
recurse:
  %n.1 = sub i64 %n, 1
  %a = call i64 @fibonacci(i64 %n.1)
  %n.2 = sub i64 %n, 2
  %b = call i64 @fibonacci(i64 %n.2)
  %sum = add i64 %a, %b
  ret i64 %sum
}

; void worker(channel, n): the arguments are this function's to give up, also when sending fails.
define internal void @worker(ptr %args, ptr %result) #0 personality ptr @__gcc_personality_v0 {
entry:
  %value = alloca i64
  %channel = load ptr, ptr %args
  %place = getelementptr i8, ptr %args, i64 8
  %n = load i64, ptr %place
  %number = call i64 @fibonacci(i64 %n)
  store i64 %number, ptr %value
  invoke void @echo_chan_send(ptr %channel, ptr %value, i32 0) to label %sent unwind label %pad
sent:
  call void @echo_release(ptr %channel, ptr @desc.channel)
  ret void
pad:
  %exception = landingpad { ptr, i32 } cleanup
  call void @echo_release(ptr %channel, ptr @desc.channel)
  %object = extractvalue { ptr, i32 } %exception, 0
  call void @echo_unwind_resume(ptr %object) ; instead of `resume`
  unreachable
}

define internal void @program(ptr %args, ptr %result) #0 {
entry:
  %pair = alloca { ptr, i64 }
  %value = alloca i64
  %channel = call ptr @echo_chan_new(ptr @desc.int, i64 0, i32 0)
  br label %start
start:
  %i = phi i64 [0, %entry], [%i.next, %start]
  call void @echo_retain(ptr %channel)
  store ptr %channel, ptr %pair
  %place = getelementptr { ptr, i64 }, ptr %pair, i32 0, i32 1
  store i64 %i, ptr %place
  %future = call ptr @echo_spawn(ptr @entry.worker, ptr %pair, i32 0)
  call void @echo_release(ptr %future, ptr @desc.future)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 30
  br i1 %more, label %start, label %collect
collect:
  %j = phi i64 [0, %start], [%j.next, %collect]
  %sum = phi i64 [0, %start], [%sum.next, %collect]
  %came = call zeroext i1 @echo_chan_receive(ptr %channel, ptr %value, i32 0)
  %number = load i64, ptr %value
  %sum.next = add i64 %sum, %number
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, 30
  br i1 %more.j, label %collect, label %done
done:
  store i64 %sum.next, ptr %value
  call void @echo_print(ptr %value, ptr @desc.int)
  call void @echo_release(ptr %channel, ptr @desc.channel)
  store i64 0, ptr %result
  ret void
}

attributes #0 = { uwtable "split-stack" }
