//! The jobs, what is derived from them, and the tasks that do their work.

use crate::job::{Command, Job, State, Status};
use crate::message::{BoardView, JobView, Overview, Reply, Request, RequestError};
use isobar::{Clock, Computed, Graph, Signal, ValueStream, computed};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// The time from one step of a job to the next.
pub const STEP: Duration = Duration::from_millis(100);

/// How many jobs there may be.
pub const CAPACITY: usize = 1_000;

/// The longest name of a job, in characters.
const NAME_LIMIT: usize = 60;

type Jobs = BTreeMap<u64, (Arc<str>, Job)>;

/// All jobs of a server.
#[derive(Debug)]
pub(crate) struct Board {
    graph: Graph,
    jobs: Signal<Jobs>,
    last_job: Signal<u64>,
    clients: Signal<usize>,
    tick: Computed<Duration>,
    frame: Computed<Arc<str>>,
    workers: Handle,
}

impl Board {
    /// An empty board, whose jobs do their work on the runtime that this is called on.
    pub(crate) fn new(clock: &Clock) -> Self {
        let graph = Graph::builder().name("jobs").build();
        let workers = Handle::current();
        graph.clone().enter(|| {
            let jobs: Signal<Jobs> = Signal::builder(Jobs::new()).name("jobs").build();
            let last_job = Signal::builder(0).name("last job").build();
            let clients = Signal::builder(0).name("clients").build();
            let overview = computed!([jobs] Overview::of(&states(&jobs)));
            let frame = computed!([jobs, overview, clients] {
                let view = BoardView {
                    jobs: views(&jobs),
                    overview: overview.get(),
                    clients: clients.get(),
                };
                Reply::Board(view).text().into()
            });
            Self { jobs, last_job, clients, tick: clock.now(STEP), frame, workers, graph }
        })
    }

    /// All that a client is shown, as the text to send.
    pub(crate) fn frame(&self) -> &Computed<Arc<str>> {
        &self.frame
    }

    /// How many clients there are, which each of them keeps up to date.
    pub(crate) fn clients(&self) -> &Signal<usize> {
        &self.clients
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Does what a client asks for in `text`.
    pub(crate) fn answer(&self, text: &str) -> Reply {
        let request = match Request::read(text) {
            Ok(request) => request,
            Err(reply) => return reply,
        };
        let id = request.id();
        let done = match (request.command(), request) {
            (Some((job, command)), _) => self.command(job, command).map(Some),
            (None, Request::Add { name, .. }) => self.add(&name).map(Some),
            (None, _) => {
                self.clear();
                Ok(None)
            }
        };
        done.map_or_else(|error| error.reply_to(Some(id)), |job| Reply::Answer { id, job })
    }

    fn command(&self, id: u64, command: Command) -> Result<JobView, RequestError> {
        let found = self.jobs.peek_with(|jobs| jobs.get(&id).cloned());
        let (name, job) = found.ok_or(RequestError::UnknownJob { job: id })?;
        let view = |state| JobView::new(id, name, state);
        match job.obey(command) {
            Ok(state) => Ok(view(state)),
            Err(refused) => Err(RequestError::Refused { job: view(refused.state), refused }),
        }
    }

    fn add(&self, name: &str) -> Result<JobView, RequestError> {
        if !(1..=NAME_LIMIT).contains(&name.trim().chars().count()) {
            return Err(RequestError::Name { limit: NAME_LIMIT });
        }
        let (name, job) = (Arc::<str>::from(name.trim()), Job::new(&self.graph));
        // Before anybody can start the job: no tick after that is missed.
        let ticks = self.tick.stream().skip_waiting();
        let id = self.graph.transaction(|| {
            let mut jobs = self.jobs.get();
            if jobs.len() >= CAPACITY {
                return Err(RequestError::Full { capacity: CAPACITY });
            }
            let id = self.last_job.get() + 1;
            jobs.insert(id, (name.clone(), job.clone()));
            self.jobs.set(jobs);
            self.last_job.set(id);
            Ok(id)
        })?;
        let view = JobView::new(id, name, job.state());
        self.workers.spawn(work(job, ticks));
        Ok(view)
    }

    fn clear(&self) {
        let Ok(()) = self.graph.transaction(|| {
            let mut jobs = self.jobs.get();
            jobs.retain(|_, (_, job)| job.state().status != Status::Dead);
            self.jobs.set(jobs);
            Ok::<_, Infallible>(())
        });
    }

    /// Ends what follows the jobs: the workers' ticks, and with their effects the connections.
    pub(crate) fn close(&self) {
        self.graph.shutdown();
    }
}

/// A step a tick, until the job is over or the graph is shut down.
async fn work(job: Job, mut ticks: ValueStream<Duration>) {
    while job.state().status != Status::Dead && ticks.next().await.is_some() {
        job.step();
    }
}

fn states(jobs: &Signal<Jobs>) -> Vec<State> {
    jobs.load().values().map(|(_, job)| job.state()).collect()
}

fn views(jobs: &Signal<Jobs>) -> Vec<JobView> {
    let jobs = jobs.load();
    let views = jobs.iter().map(|(id, (name, job))| JobView::new(*id, name.clone(), job.state()));
    views.collect()
}
