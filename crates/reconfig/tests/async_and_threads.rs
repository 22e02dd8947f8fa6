//! The same events give the same journal, whoever drives the engine: a loop, plain threads with channels, or tasks of
//! an asynchronous runtime. The runtime here is the smallest there is (an executor of forty lines on the standard
//! library's `Wake`), so that the crate needs none: what a runtime adds to a sans-IO engine is the order in which
//! futures are polled, and that is what this test is about.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests: threads are what is compared")]

use crate::common;

use common::{cid, hid, infrastructure, rid, shop, spread};
use ecosystem_core::{Epoch, ReplicaState, Timestamp};
use ecosystem_reconfig::{Engine, Event, Order, Output, Scope, Settings};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// Twenty minutes: heartbeats of all hosts but one, load, an alert, a new version, orders.
fn events() -> Vec<(Timestamp, Event)> {
    let mut events = Vec::new();
    for second in (5..1_200_u64).step_by(5) {
        let at = Timestamp::from_unix_ms(second * 1_000);
        for h in 0..6 {
            if h != 1 || second < 60 {
                events.push((at, Event::Heartbeat(hid(&format!("h{h}")))));
            }
        }
        let permille = 600 + u32::try_from(second % 7 * 60).unwrap();
        events.push((at, Event::Utilisation { component: cid("web"), permille }));
        if second == 300 {
            events.push((at, Event::SecurityAlert { component: cid("cache"), why: Arc::from("test") }));
        }
        if second == 600 {
            let order = Order::Freeze(Scope::Component(cid("db")));
            events.push((at, Event::Order { order, by: Arc::from("ann") }));
        }
        if second % 100 == 0 {
            let report = ecosystem_core::HypervisorEvent::Replica {
                replica: rid("web", 0),
                host: hid("h0"),
                state: if second % 200 == 0 { ReplicaState::Unhealthy } else { ReplicaState::Running },
                version: ecosystem_core::Version::new("1.0"),
            };
            events.push((at, Event::Hypervisor(report)));
        }
    }
    events
}

fn engine() -> Engine {
    let start = Timestamp::from_unix_ms(0);
    Engine::new(Settings::default(), &shop(), &infrastructure(6), &spread(), Epoch(1), start).unwrap()
}

/// One event with everything that follows from it; returns the records.
fn step(engine: &mut Engine, at: Timestamp, event: Event) -> Vec<Vec<u8>> {
    while let Some(due) = engine.poll_timeout().filter(|&due| due <= at) {
        engine.handle_timeout(due);
    }
    engine.handle_event(at, event);
    let mut records = Vec::new();
    while let Some(output) = engine.poll_output() {
        if let Output::Persist(record) = output {
            engine.persisted(record.number());
            records.push(record.bytes().to_vec());
        }
    }
    records
}

fn by_a_loop() -> Vec<Vec<u8>> {
    let mut engine = engine();
    events().into_iter().flat_map(|(at, event)| step(&mut engine, at, event)).collect()
}

/// A thread that observes, a thread that runs the engine, and a thread that writes the journal.
fn by_threads() -> Vec<Vec<u8>> {
    let (observe, observed) = mpsc::channel();
    let (write, written) = mpsc::channel();
    let observer = thread::spawn(move || events().into_iter().for_each(|it| observe.send(it).unwrap()));
    let runner = thread::spawn(move || {
        let mut engine = engine();
        for (at, event) in observed {
            for record in step(&mut engine, at, event) {
                write.send(record).unwrap();
            }
        }
    });
    let journal = thread::spawn(move || written.into_iter().collect());
    observer.join().unwrap();
    runner.join().unwrap();
    journal.join().unwrap()
}

/// A queue of one place whose sender waits while it is full and whose receiver waits while it is empty.
struct Channel<T>(Mutex<(VecDeque<T>, bool)>);

impl<T> Channel<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((VecDeque::new(), false))))
    }

    async fn send(&self, value: T) {
        let mut value = Some(value);
        std::future::poll_fn(|context| {
            let mut queue = self.0.lock().unwrap();
            if queue.0.is_empty() {
                queue.0.extend(value.take());
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    async fn receive(&self) -> Option<T> {
        std::future::poll_fn(|context| {
            let mut queue = self.0.lock().unwrap();
            match queue.0.pop_front() {
                Some(value) => Poll::Ready(Some(value)),
                None if queue.1 => Poll::Ready(None),
                None => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn close(&self) {
        self.0.lock().unwrap().1 = true;
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Polls tasks that were woken, in turn, until all are done.
fn run(tasks: Vec<Task>) {
    let mut tasks: Vec<(Task, Arc<Flag>)> =
        tasks.into_iter().map(|task| (task, Arc::new(Flag(AtomicBool::new(true))))).collect();
    while !tasks.is_empty() {
        tasks.retain_mut(|(task, flag)| {
            let woken = flag.0.swap(false, Ordering::SeqCst);
            let waker = Waker::from(Arc::clone(flag));
            !(woken && task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready())
        });
    }
}

/// The same three parts as tasks; `order` is the order in which they are polled.
fn by_tasks(order: [usize; 3]) -> Vec<Vec<u8>> {
    let (events_to, records_to) = (Channel::new(), Channel::new());
    let journal: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let mut tasks: Vec<Option<Task>> = Vec::new();
    let to = Arc::clone(&events_to);
    tasks.push(Some(Box::pin(async move {
        for it in events() {
            to.send(it).await;
        }
        to.close();
    })));
    let (from, to) = (events_to, Arc::clone(&records_to));
    tasks.push(Some(Box::pin(async move {
        let mut engine = engine();
        while let Some((at, event)) = from.receive().await {
            for record in step(&mut engine, at, event) {
                to.send(record).await;
            }
        }
        to.close();
    })));
    let (from, into) = (records_to, Arc::clone(&journal));
    tasks.push(Some(Box::pin(async move {
        while let Some(record) = from.receive().await {
            into.lock().unwrap().push(record);
        }
    })));
    run(order.map(|k| tasks[k].take().unwrap()).into());
    let found = journal.lock().unwrap();
    found.clone()
}

#[test]
fn a_loop_plain_threads_and_tasks_write_the_same_journal() {
    let expected = by_a_loop();
    assert!(expected.len() > 20, "{}", expected.len());
    assert_eq!(by_threads(), expected);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        assert_eq!(by_tasks(order), expected);
    }
}
