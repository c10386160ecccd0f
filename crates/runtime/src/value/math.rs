//! Floating-point functions that need libm. They run on the worker's stack, as libm may need more than a coroutine has.

macro_rules! unary {
    ($($name:ident => $function:ident),* $(,)?) => {
        $(pub unsafe extern "C" fn $name(x: f64) -> f64 {
            x.$function()
        })*
    };
}

unary! {
    echo_math_exp => exp,
    echo_math_log => ln,
    echo_math_log2 => log2,
    echo_math_log10 => log10,
    echo_math_sin => sin,
    echo_math_cos => cos,
    echo_math_tan => tan,
    echo_math_asin => asin,
    echo_math_acos => acos,
    echo_math_atan => atan,
    echo_math_floor => floor,
    echo_math_ceil => ceil,
    echo_math_round => round,
    echo_math_trunc => trunc,
    echo_math_cbrt => cbrt,
}

pub unsafe extern "C" fn echo_math_fmod(x: f64, y: f64) -> f64 {
    x % y
}

pub unsafe extern "C" fn echo_math_pow(x: f64, y: f64) -> f64 {
    x.powf(y)
}

pub unsafe extern "C" fn echo_math_atan2(y: f64, x: f64) -> f64 {
    y.atan2(x)
}

pub unsafe extern "C" fn echo_math_hypot(x: f64, y: f64) -> f64 {
    x.hypot(y)
}
