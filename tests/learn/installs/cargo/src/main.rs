// See https://counter.corp.example/ for more.
fn main() {
    println!("{}", till::count() + drawer::count());
}
