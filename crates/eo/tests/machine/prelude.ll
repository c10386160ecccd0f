; What every program here begins with, after the declarations of the runtime's functions (made by the test from the symbol table):
; the descriptors, tables and small functions that the compiler would emit.

%TypeDesc = type { i8, i8, i16, i32, ptr, i32, i32, ptr, ptr }
%FieldDesc = type { ptr, ptr, i32, i32 }
%EntryDesc = type { ptr, ptr, i32, i32, ptr, ptr, i32, i32 }
%SelectCase = type { ptr, ptr, i32, i32, i32, i32 }

@echo_empty = external global i8, align 8
declare void @echo_unwind_resume(ptr) noreturn
declare i32 @__gcc_personality_v0(...)

; ---- types: int, a tuple of two ints, string, future of int, channel of int
@zero = internal constant [16 x i8] zeroinitializer, align 16
@name.int = internal constant [3 x i8] c"int"
@desc.int = internal constant %TypeDesc { i8 6, i8 0, i16 8, i32 8, ptr @name.int, i32 3, i32 0, ptr null, ptr @zero }
@fields.int = internal constant [1 x %FieldDesc] [%FieldDesc { ptr @desc.int, ptr null, i32 0, i32 0 }]
@fields.pair = internal constant [2 x %FieldDesc] [%FieldDesc { ptr @desc.int, ptr null, i32 0, i32 0 }, %FieldDesc { ptr @desc.int, ptr null, i32 0, i32 8 }]
@desc.pair = internal constant %TypeDesc { i8 17, i8 0, i16 8, i32 16, ptr @name.int, i32 3, i32 2, ptr @fields.pair, ptr @zero }
@desc.string = internal constant %TypeDesc { i8 13, i8 1, i16 8, i32 8, ptr @name.int, i32 3, i32 0, ptr null, ptr null }
@desc.future = internal constant %TypeDesc { i8 21, i8 1, i16 8, i32 8, ptr @name.int, i32 3, i32 1, ptr @fields.int, ptr null }
@desc.channel = internal constant %TypeDesc { i8 20, i8 1, i16 8, i32 8, ptr @name.int, i32 3, i32 1, ptr @fields.int, ptr null }

; ---- the module: position N is line N of test.ll, in `main` when odd, in `worker` when even
@text.file = internal constant [7 x i8] c"test.ll"
@text.main = internal constant [4 x i8] c"main"
@text.worker = internal constant [6 x i8] c"worker"
@files = internal constant [1 x { ptr, i64 }] [{ ptr, i64 } { ptr @text.file, i64 7 }]
@functions = internal constant [2 x { ptr, i64 }] [{ ptr, i64 } { ptr @text.main, i64 4 }, { ptr, i64 } { ptr @text.worker, i64 6 }]
@positions = internal constant [5 x { i32, i32, i32, i32 }] [
  { i32, i32, i32, i32 } { i32 0, i32 0, i32 0, i32 0 },
  { i32, i32, i32, i32 } { i32 0, i32 1, i32 1, i32 0 },
  { i32, i32, i32, i32 } { i32 0, i32 2, i32 1, i32 1 },
  { i32, i32, i32, i32 } { i32 0, i32 3, i32 1, i32 0 },
  { i32, i32, i32, i32 } { i32 0, i32 4, i32 1, i32 1 }]
@entry.main = internal global %EntryDesc { ptr @main.code, ptr @text.main, i32 4, i32 0, ptr null, ptr @desc.int, i32 0, i32 0 }
@echo_module = global { i32, i32, ptr, ptr, ptr, i32, i32, ptr, ptr, ptr } { i32 1, i32 5, ptr @positions, ptr @files, ptr @functions, i32 1, i32 2, ptr @entry.main, ptr null, ptr null }

declare i32 @echo_start(i32, ptr, ptr)
define i32 @main(i32 %argc, ptr %argv) uwtable {
  %code = call i32 @echo_start(i32 %argc, ptr %argv, ptr @echo_module)
  ret i32 %code
}

; ---- printing
@newline = internal constant { i32, i32, i64, i64, [1 x i8] } { i32 0, i32 0, i64 1, i64 1, [1 x i8] c"\0A" }, align 8

; A number on a line of its own.
define internal void @say(i64 %n) #0 {
  %slot = alloca i64
  store i64 %n, ptr %slot
  call void @echo_print(ptr %slot, ptr @desc.int)
  ret void
}

; A text on a line of its own; the string is given up.
define internal void @tell(ptr %text) #0 {
  %slot = alloca ptr
  store ptr %text, ptr %slot
  call void @echo_print(ptr %slot, ptr @desc.string)
  call void @echo_release(ptr %text, ptr @desc.string)
  ret void
}

; ---- a log: a block { header, hash } that says what happened in which order
define internal ptr @log.new() #0 {
  %log = call ptr @echo_alloc(i64 16)
  %hash = getelementptr i8, ptr %log, i64 8
  store i64 7, ptr %hash
  ret ptr %log
}

define internal void @log(ptr %log, i64 %event) #0 {
  %hash = getelementptr i8, ptr %log, i64 8
  %old = load i64, ptr %hash
  %scaled = mul i64 %old, 31
  %new = add i64 %scaled, %event
  store i64 %new, ptr %hash
  ret void
}

define internal i64 @log.hash(ptr %log) #0 {
  %hash = getelementptr i8, ptr %log, i64 8
  %value = load i64, ptr %hash
  ret i64 %value
}

; ---- futures
define internal ptr @start(ptr %entry, i64 %argument) #0 {
  %args = alloca i64
  store i64 %argument, ptr %args
  %future = call ptr @echo_spawn(ptr %entry, ptr %args, i32 2)
  ret ptr %future
}

define internal ptr @start2(ptr %entry, ptr %first, i64 %second) #0 {
  %args = alloca { ptr, i64 }
  store ptr %first, ptr %args
  %place = getelementptr { ptr, i64 }, ptr %args, i32 0, i32 1
  store i64 %second, ptr %place
  %future = call ptr @echo_spawn(ptr %entry, ptr %args, i32 2)
  ret ptr %future
}

; Awaits and gives the future up.
define internal i64 @finish(ptr %future) #0 {
  %out = alloca i64
  call void @echo_await(ptr %future, ptr %out, i32 1)
  call void @echo_release(ptr %future, ptr @desc.future)
  %value = load i64, ptr %out
  ret i64 %value
}

; As `finish`; prints the message of a failure, and returns -1 then.
define internal i64 @finish.failed(ptr %future) #0 {
entry:
  %out = alloca i64
  %error = alloca ptr
  %failed = call i32 @echo_try_await(ptr %future, ptr %out, ptr %error, i32 1)
  call void @echo_release(ptr %future, ptr @desc.future)
  %ok = icmp eq i32 %failed, 0
  br i1 %ok, label %good, label %bad
good:
  %value = load i64, ptr %out
  ret i64 %value
bad:
  %message = load ptr, ptr %error
  call void @tell(ptr %message)
  ret i64 -1
}

; Forgets a message; 1 for a failure, 0 for a value.
define internal i64 @finish.quiet(ptr %future) #0 {
entry:
  %out = alloca i64
  %error = alloca ptr
  %failed = call i32 @echo_try_await(ptr %future, ptr %out, ptr %error, i32 1)
  call void @echo_release(ptr %future, ptr @desc.future)
  %ok = icmp eq i32 %failed, 0
  br i1 %ok, label %good, label %bad
good:
  ret i64 0
bad:
  %message = load ptr, ptr %error
  call void @echo_release(ptr %message, ptr @desc.string)
  ret i64 1
}

; ---- preemption
; Asks the calling coroutine to yield at its next prologue or poll, as the monitor does.
define internal void @ask() alwaysinline {
  store atomic i64 -1, ptr addrspace(257) inttoptr (i64 112 to ptr addrspace(257)) monotonic, align 8
  ret void
}

; The stack limit of the calling coroutine.
define internal i64 @limit() #0 {
entry:
  br label %read
read:
  %limit = load atomic i64, ptr addrspace(257) inttoptr (i64 112 to ptr addrspace(257)) monotonic, align 8
  %asked = icmp eq i64 %limit, -1
  br i1 %asked, label %yield, label %done
yield:
  call void @echo_poll()
  br label %read
done:
  ret i64 %limit
}

; ---- the end of a first segment: nothing may be written to the lowest 16 bytes of its slack of 336
define internal ptr @canary() #0 {
  %limit = call i64 @limit()
  %base = sub i64 %limit, 336
  %place = inttoptr i64 %base to ptr
  store i64 81985529216486895, ptr %place
  %second = getelementptr i8, ptr %place, i64 8
  store i64 81985529216486895, ptr %second
  ret ptr %place
}

define internal void @canary.check(ptr %place) #0 {
entry:
  %second = getelementptr i8, ptr %place, i64 8
  %a = load i64, ptr %place
  %b = load i64, ptr %second
  %a.ok = icmp eq i64 %a, 81985529216486895
  %b.ok = icmp eq i64 %b, 81985529216486895
  %ok = and i1 %a.ok, %b.ok
  br i1 %ok, label %good, label %bad
good:
  ret void
bad:
  call void @say(i64 -999)
  call void @echo_exit(i64 77)
  ret void
}

; ---- functions with frames of some size, which no optimisation removes
define internal void @touch.big(i64 %fill) #0 {
  %frame = alloca [900 x i8], align 16
  %byte = trunc i64 %fill to i8
  call void @llvm.memset.inline.p0.i64(ptr %frame, i8 %byte, i64 896, i1 false)
  call void asm sideeffect "", "r,~{memory}"(ptr %frame)
  ret void
}
declare void @llvm.memset.inline.p0.i64(ptr, i8, i64, i1)

attributes #0 = { noinline uwtable "split-stack" }
