//! t
use std::sync::Arc;
use runledger_contract::*;
struct InMemory(Arc<runledger_memory::MemoryStore>);
#[async_trait::async_trait]
impl OpenStore for InMemory {
    fn handles(&self) -> Handles { Handles::of(&self.0) }
    async fn reopen(&mut self) -> Support { Support::Done }
    async fn stop(&mut self) -> Support { Support::Missing }
}
#[test]
fn t() {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        let f = || async { InMemory(Arc::new(runledger_memory::MemoryStore::new())) };
        let mut v = vec![];
        for r in RULES { let t = std::time::Instant::now(); r.check(&f).await.unwrap(); v.push((t.elapsed(), r.name)); }
        v.sort(); v.reverse();
        let total: std::time::Duration = v.iter().map(|x| x.0).sum();
        println!("{total:?}");
        for x in v.iter().take(12) { println!("{x:?}"); }
    });
}
