use echo_syntax::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let text = a[2].repeat(400);
    let kb: usize = a[1].parse().unwrap();
    if kb == 0 {
        println!(
            "Expr {} Type {} Stmt {} Pattern {} Item {}",
            size_of::<ast::Expr>(),
            size_of::<ast::Type>(),
            size_of::<ast::Stmt>(),
            size_of::<ast::Pattern>(),
            size_of::<ast::Item>()
        );
        return;
    }
    std::thread::Builder::new()
        .stack_size(kb * 1024)
        .spawn(move || {
            parse(FileId(0), &text);
        })
        .unwrap()
        .join()
        .unwrap();
}
