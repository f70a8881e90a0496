//! Whether something that was asked in vain has called since.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use futures::task::AtomicWaker;

/// A waker that remembers whether it was called.
///
/// Who writes a response asks for its next piece until there is none, and after whatever else
/// happens on the connection. To ask a whole turn each time costs as much as what it does for a
/// token; with this it is asked only when it has called.
#[derive(Debug)]
pub(super) struct Bell {
    rung: AtomicBool,
    reader: AtomicWaker,
}

impl Bell {
    /// A bell, and the waker by which it is rung. It has rung once already.
    pub(super) fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self { rung: AtomicBool::new(true), reader: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&bell));
        (bell, waker)
    }

    /// Whether it has rung since it was last asked; where it has not, it wakes this context when it
    /// does.
    pub(super) fn has_rung(&self, context: &Context<'_>) -> bool {
        // Before it is looked, or a call in between would wake nobody.
        self.reader.register(context.waker());
        self.rung.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.reader.wake();
    }
}
