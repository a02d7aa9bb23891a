//! The first container of every pod: it holds the pod's namespaces and does nothing else.

fn main() {
    loop {
        std::thread::park();
    }
}
