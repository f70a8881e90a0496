//! Who is served when: a bounded queue that is fair between lanes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anima_provider::LaneId;
use tokio::sync::watch;

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// So many are served before this one, the running one included.
    Waiting(u32),
    /// It is being served.
    Served,
}

/// A request in the queue.
pub(crate) struct Ticket<T> {
    id: u64,
    place: watch::Sender<Place>,
    /// What was asked.
    pub(crate) payload: T,
}

impl<T> Ticket<T> {
    /// Tells whoever waits that its turn has come.
    pub(crate) fn admit(&self) {
        self.place.send_replace(Place::Served);
    }
}

/// Why a request was not queued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The queue is full; a place is likely to be free after this time.
    Full(Duration),
    /// Nothing is served any more.
    Closed,
}

/// The requests of one lane, oldest first; never empty while it is in the ring.
struct Lane<T> {
    id: LaneId,
    tickets: VecDeque<Ticket<T>>,
}

struct State<T> {
    /// Lanes with waiting requests, in the order in which they come up.
    ring: VecDeque<Lane<T>>,
    /// The lane served last: it lets any other lane go first.
    last: Option<LaneId>,
    running: bool,
    closed: bool,
    next_id: u64,
    /// Moving average of the time that one request takes.
    service_time: Duration,
}

/// A bounded queue that serves its lanes in turn.
///
/// When it is full, [`FairQueue::push`] refuses. A lane that asks for much delays the others by
/// one request at most.
pub(crate) struct FairQueue<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> FairQueue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State {
            ring: VecDeque::new(),
            last: None,
            running: false,
            closed: false,
            next_id: 0,
            service_time: Duration::from_secs(1),
        };
        Self { capacity, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a request to its lane.
    pub(crate) fn push(
        &self,
        lane: LaneId,
        payload: T,
    ) -> Result<(u64, watch::Receiver<Place>), Refusal> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refusal::Closed);
        }
        let waiting = state.waiting();
        if waiting >= self.capacity {
            let expected =
                state.service_time.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
            return Err(Refusal::Full(
                expected.clamp(Duration::from_secs(1), Duration::from_mins(1)),
            ));
        }
        let id = state.next_id;
        state.next_id += 1;
        let (place, receiver) = watch::channel(Place::Waiting(0));
        let ticket = Ticket { id, place, payload };
        match state.ring.iter_mut().find(|other| other.id == lane) {
            Some(known) => known.tickets.push_back(ticket),
            None => state.ring.push_back(Lane { id: lane, tickets: VecDeque::from([ticket]) }),
        }
        state.report();
        drop(state);
        self.changed.notify_all();
        Ok((id, receiver))
    }

    /// Waits for the next request to serve; `None` once the queue is closed and empty.
    ///
    /// [`FairQueue::finished`] must be called before the next one is taken.
    pub(crate) fn next(&self) -> Option<Ticket<T>> {
        let mut state = self.lock();
        loop {
            if let Some(ticket) = state.take() {
                state.running = true;
                state.report();
                return Some(ticket);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Frees the engine after a request that took `service_time`.
    pub(crate) fn finished(&self, service_time: Duration) {
        let mut state = self.lock();
        state.running = false;
        state.service_time = (state.service_time * 3 + service_time) / 4;
        state.report();
    }

    /// Takes a waiting request out; does nothing when it is served already.
    pub(crate) fn leave(&self, id: u64) {
        let mut state = self.lock();
        for lane in &mut state.ring {
            lane.tickets.retain(|ticket| ticket.id != id);
        }
        state.ring.retain(|lane| !lane.tickets.is_empty());
        state.report();
    }

    /// Takes out all that wait.
    pub(crate) fn drain(&self) -> Vec<Ticket<T>> {
        self.lock().ring.drain(..).flat_map(|lane| lane.tickets).collect()
    }

    /// Accepts nothing more; what waits is still served.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for `pause`, less when the queue is closed; tells whether it is.
    pub(crate) fn closed_within(&self, pause: Duration) -> bool {
        let state = self.lock();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, pause, |state| !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.closed
    }

    /// How many wait, the running one not counted.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn waiting(&self) -> usize {
        self.ring.iter().map(|lane| lane.tickets.len()).sum()
    }

    /// Takes the next ticket and sends its lane to the end of the ring.
    fn take(&mut self) -> Option<Ticket<T>> {
        if self.ring.len() > 1 && self.ring.front().map(|lane| &lane.id) == self.last.as_ref() {
            self.ring.rotate_left(1);
        }
        let mut lane = self.ring.pop_front()?;
        let ticket = lane.tickets.pop_front();
        self.last = Some(lane.id.clone());
        if !lane.tickets.is_empty() {
            self.ring.push_back(lane);
        }
        ticket
    }

    /// Tells every waiting request how many are before it, where that has changed.
    fn report(&self) {
        let mut lanes: VecDeque<_> =
            self.ring.iter().map(|lane| (&lane.id, lane.tickets.iter())).collect();
        if lanes.len() > 1 && lanes.front().map(|(id, _)| *id) == self.last.as_ref() {
            lanes.rotate_left(1);
        }
        let mut ahead = u32::from(self.running);
        while let Some((id, mut tickets)) = lanes.pop_front() {
            let Some(ticket) = tickets.next() else { continue };
            ticket.place.send_if_modified(|place| {
                std::mem::replace(place, Place::Waiting(ahead)) != Place::Waiting(ahead)
            });
            ahead += 1;
            lanes.push_back((id, tickets));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str) -> LaneId {
        LaneId(name.to_owned())
    }

    fn serve(queue: &FairQueue<&'static str>) -> &'static str {
        let ticket = queue.next().unwrap();
        queue.finished(Duration::ZERO);
        ticket.payload
    }

    #[test]
    fn lanes_are_served_in_turn() {
        let queue = FairQueue::new(32);
        for name in ["a1", "a2", "a3"] {
            queue.push(lane("a"), name).unwrap();
        }
        queue.push(lane("b"), "b1").unwrap();
        queue.push(lane("c"), "c1").unwrap();
        queue.push(lane("b"), "b2").unwrap();
        let order: Vec<_> = (0..6).map(|_| serve(&queue)).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_lane_that_comes_while_another_is_served_is_next() {
        let queue = FairQueue::new(32);
        for name in ["a1", "a2", "a3"] {
            queue.push(lane("a"), name).unwrap();
        }
        let first = queue.next().unwrap();
        let (_, place) = queue.push(lane("b"), "b1").unwrap();
        assert_eq!(*place.borrow(), Place::Waiting(1));
        queue.finished(Duration::ZERO);
        assert_eq!((first.payload, serve(&queue), serve(&queue)), ("a1", "b1", "a2"));
    }

    #[test]
    fn places_fall_and_those_who_leave_make_room() {
        let queue = FairQueue::new(3);
        let (_, first) = queue.push(lane("a"), "1").unwrap();
        let (second, _) = queue.push(lane("a"), "2").unwrap();
        let (_, third) = queue.push(lane("a"), "3").unwrap();
        assert!(matches!(queue.push(lane("b"), "4"), Err(Refusal::Full(_))));
        assert_eq!((*first.borrow(), *third.borrow()), (Place::Waiting(0), Place::Waiting(2)));
        queue.leave(second);
        assert_eq!((queue.waiting(), *third.borrow()), (2, Place::Waiting(1)));
        assert!(queue.push(lane("b"), "4").is_ok());
    }

    #[test]
    fn a_closed_queue_serves_what_waits_and_takes_nothing() {
        let queue = FairQueue::new(3);
        queue.push(lane("a"), "1").unwrap();
        queue.close();
        assert_eq!(queue.push(lane("a"), "2").err(), Some(Refusal::Closed));
        assert_eq!(serve(&queue), "1");
        assert!(queue.next().is_none());
    }
}
