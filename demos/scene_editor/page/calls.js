// Calls of the server that follow each other quickly.

// A function that calls `call` with its argument, one call at a time; of those that wait only the last is made.
// Answers go to `done`.
export function latest(call, done) {
  let running = false, waiting = null;
  const next = async () => {
    while (waiting) {
      const { argument } = waiting;
      waiting = null;
      let answer;
      try {
        answer = await call(argument);
      } catch (error) {
        answer = { error: 'The studio does not answer: is it still running?' };
      }
      if (!waiting || !answer.error) done(answer);
    }
    running = false;
  };
  return (argument) => {
    waiting = { argument };
    if (running) return;
    running = true;
    next();
  };
}

// A function that calls `call` once it was not called for `ms`. `now()` makes a waiting call at once.
export function settled(call, ms) {
  let timer = null, argument;
  const run = () => {
    timer = null;
    call(argument);
  };
  const later = (given) => {
    argument = given;
    clearTimeout(timer);
    timer = setTimeout(run, ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
