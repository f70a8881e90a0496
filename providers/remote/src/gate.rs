//! The queue before a server: so many answers at a time, the lanes served in turn.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anima_provider::{LaneId, ProviderError, ProviderEvent};
use futures::{Stream, stream};
use tokio::sync::watch;

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// So many must end before it is served.
    Waiting(u32),
    /// It is being served.
    Served,
}

/// Someone who waits.
struct Ticket {
    id: u64,
    place: watch::Sender<Place>,
}

/// The waiting requests of one lane, oldest first; never empty while it is in the ring.
struct Lane {
    id: LaneId,
    tickets: VecDeque<Ticket>,
}

struct State {
    running: usize,
    /// Lanes with waiting requests, in the order in which they come up.
    ring: VecDeque<Lane>,
    next_id: u64,
    /// Moving average of the time that one answer takes.
    service_time: Duration,
}

/// Lets a bounded number of answers run at a time and a bounded number wait.
pub(crate) struct Gate {
    places: usize,
    queue: usize,
    state: Mutex<State>,
}

/// A place at the server or in the queue before it; dropping it gives the place on.
pub(crate) struct Seat {
    gate: Arc<Gate>,
    id: u64,
    place: watch::Receiver<Place>,
    taken: Instant,
}

impl Gate {
    /// A gate for `places` answers at a time, before which `queue` may wait.
    pub(crate) fn new(places: usize, queue: usize) -> Self {
        let state = State {
            running: 0,
            ring: VecDeque::new(),
            next_id: 0,
            service_time: Duration::from_secs(1),
        };
        Self { places, queue, state: Mutex::new(state) }
    }

    /// Takes a place, in the queue where none is free.
    pub(crate) fn enter(self: &Arc<Self>, lane: LaneId) -> Result<Seat, ProviderError> {
        let mut state = self.lock();
        // A lane's requests come up one by one, so whoever comes while others wait waits, too.
        let free = state.running < self.places && state.ring.is_empty();
        let waiting = state.waiting();
        if !free && waiting >= self.queue {
            let rounds = u32::try_from(waiting / self.places).unwrap_or(u32::MAX);
            let wait = state.service_time.saturating_mul(rounds.saturating_add(1));
            let wait = wait.clamp(Duration::from_secs(1), Duration::from_mins(1));
            return Err(ProviderError::RateLimited { retry_after: Some(wait) });
        }
        let id = state.next_id;
        state.next_id += 1;
        let (sender, place) = watch::channel(Place::Served);
        if free {
            state.running += 1;
        } else {
            sender.send_replace(Place::Waiting(0));
            let ticket = Ticket { id, place: sender };
            match state.ring.iter_mut().find(|other| other.id == lane) {
                Some(known) => known.tickets.push_back(ticket),
                None => {
                    state.ring.push_back(Lane { id: lane, tickets: VecDeque::from([ticket]) });
                }
            }
            state.report();
        }
        drop(state);
        Ok(Seat { gate: Arc::clone(self), id, place, taken: Instant::now() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.ring.iter().map(|lane| lane.tickets.len()).sum()
    }

    /// Takes the next one and sends its lane to the end of the ring.
    fn take(&mut self) -> Option<Ticket> {
        let mut lane = self.ring.pop_front()?;
        let ticket = lane.tickets.pop_front();
        if !lane.tickets.is_empty() {
            self.ring.push_back(lane);
        }
        ticket
    }

    /// Tells those who wait how many must end before them, where that has changed.
    fn report(&self) {
        let mut lanes: VecDeque<_> = self.ring.iter().map(|lane| lane.tickets.iter()).collect();
        let mut ahead = 1;
        while let Some(mut tickets) = lanes.pop_front() {
            let Some(ticket) = tickets.next() else { continue };
            let place = Place::Waiting(ahead);
            ticket.place.send_if_modified(|old| std::mem::replace(old, place) != place);
            ahead += 1;
            lanes.push_back(tickets);
        }
    }
}

impl Seat {
    /// Says where this one stands whenever that changes, and ends when it is served.
    pub(crate) fn notices(&self) -> impl Stream<Item = ProviderEvent> + Send + use<> {
        stream::unfold((self.place.clone(), true), |(mut place, first)| async move {
            if !first {
                // The sender goes when the place is given up, and then nobody polls.
                place.changed().await.ok()?;
            }
            let stands = *place.borrow_and_update();
            match stands {
                Place::Waiting(ahead) => Some((ProviderEvent::Queued { ahead }, (place, false))),
                Place::Served => None,
            }
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        if *self.place.borrow() == Place::Served {
            state.running -= 1;
            state.service_time = (state.service_time * 3 + self.taken.elapsed()) / 4;
        } else {
            for lane in &mut state.ring {
                lane.tickets.retain(|ticket| ticket.id != self.id);
            }
            state.ring.retain(|lane| !lane.tickets.is_empty());
        }
        while state.running < self.gate.places
            && let Some(ticket) = state.take()
        {
            state.running += 1;
            ticket.place.send_replace(Place::Served);
        }
        state.report();
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn enter(gate: &Arc<Gate>, lane: &str) -> Seat {
        gate.enter(LaneId(lane.to_owned())).unwrap()
    }

    fn served(seat: &Seat) -> bool {
        *seat.place.borrow() == Place::Served
    }

    #[test]
    fn lanes_are_served_in_turn() {
        let gate = Arc::new(Gate::new(1, 10));
        let first = enter(&gate, "a");
        let mut waiting: Vec<_> =
            ["a", "a", "b", "c", "b"].into_iter().map(|lane| (lane, enter(&gate, lane))).collect();
        drop(first);
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let next = waiting.iter().position(|(_, seat)| served(seat)).unwrap();
            assert_eq!(waiting.iter().filter(|(_, seat)| served(seat)).count(), 1);
            order.push(waiting.remove(next).0);
        }
        assert_eq!(order, ["a", "b", "c", "a", "b"]);
        assert!(served(&enter(&gate, "d")));
    }

    #[test]
    fn so_many_run_and_so_many_wait() {
        let gate = Arc::new(Gate::new(2, 1));
        let (first, second, third) = (enter(&gate, "a"), enter(&gate, "a"), enter(&gate, "a"));
        assert!(served(&first) && served(&second) && !served(&third));
        let refused = gate.enter(LaneId("b".to_owned())).err();
        assert!(matches!(refused, Some(ProviderError::RateLimited { retry_after: Some(_) })));
        drop(third);
        let fourth = enter(&gate, "b");
        drop(second);
        assert!(served(&fourth));
    }

    #[test]
    fn those_who_wait_are_told_their_place_and_when_it_changes() {
        let gate = Arc::new(Gate::new(1, 10));
        let (first, second, third) = (enter(&gate, "a"), enter(&gate, "b"), enter(&gate, "c"));
        let mut told = Box::pin(third.notices());
        assert_eq!(told.next().now_or_never().flatten(), Some(ProviderEvent::Queued { ahead: 2 }));
        assert_eq!(told.next().now_or_never(), None);
        drop(second);
        assert_eq!(told.next().now_or_never().flatten(), Some(ProviderEvent::Queued { ahead: 1 }));
        drop(first);
        assert_eq!(told.next().now_or_never(), Some(None));
        let _held = third;
    }
}
