//! In a simulated network, where the same seed is the same run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fe2o3_amqp::link::receiver::CreditMode;
use turmoil::net::{TcpListener, TcpStream};
use unstale_servicebus_emulator::{Clock, Emulator, Options};

use crate::client::*;

const PORT: u16 = 5672;

/// What happens in a run: every delivery with its tag, and when.
fn run(seed: u64) -> Vec<String> {
    let mut simulation = turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_secs(100))
        .epoch(std::time::UNIX_EPOCH + Duration::from_secs(EPOCH))
        .build();
    let clock = Clock::new(|| {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        std::time::UNIX_EPOCH + Duration::from_secs(EPOCH) + elapsed
    });
    let emulator = Emulator::new(Options { seed, ..Options::new(clock) });
    emulator.create_topic("t").unwrap();
    emulator.create_subscription("t", "s").unwrap();
    let served = emulator.clone();
    simulation.host("broker", move || serve(served.clone()));
    let log = Arc::new(Mutex::new(Vec::new()));
    let receiving = Arc::clone(&log);
    simulation.client("receiver", async move {
        let mut client = Client::over(TcpStream::connect(("broker", PORT)).await?).await;
        client.put_token(&token()).await?;
        let mut receiver = client.peeker("s", CreditMode::Auto(4)).await;
        for _ in 0..20 {
            let delivery = take(&mut receiver).await;
            let tag = delivery.delivery_tag().to_vec();
            let at = turmoil::elapsed();
            receiving.lock().unwrap().push(format!("{at:?} {} {tag:?}", text(&delivery)));
        }
        Ok(())
    });
    simulation.client("sender", async move {
        let mut client = Client::over(TcpStream::connect(("broker", PORT)).await?).await;
        client.put_token(&token()).await?;
        let mut sender = client.sender("t").await;
        send_all(&mut sender, 10).await;
        client.cut();
        // The engine sees the end of the stream, and does not spin.
        sleep(Duration::from_secs(30)).await;
        let mut client = Client::over(TcpStream::connect(("broker", PORT)).await?).await;
        client.put_token(&token()).await?;
        let mut sender = client.sender("t").await;
        send_all(&mut sender, 10).await;
        Ok(())
    });
    simulation.run().unwrap();
    assert_eq!(emulator.subscription_info("t", "s").unwrap().next_sequence_number, 21);
    log.lock().unwrap().clone()
}

async fn serve(emulator: Emulator) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let emulator = emulator.clone();
        tokio::spawn(async move { emulator.serve(stream).await });
    }
}

#[test]
fn a_run_repeats_itself() {
    let first = run(7);
    assert_eq!(first.len(), 20);
    assert_eq!(first, run(7));
    assert_ne!(first, run(8), "the seed is in it");
}
