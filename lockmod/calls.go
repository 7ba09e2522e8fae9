package lockmod

import "context"

// call begins a call to etcd that a request waits for. It ends when ctx does, and soon after
// the service is told to close: Close waits a moment for it, and has it cut off then (I9).
func (s *Service) call(ctx context.Context) (context.Context, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	awaited := !s.isStopping()
	if awaited {
		s.calls++
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(s.ctx, cancel)
	return ctx, func() {
		unhook()
		cancel()
		if awaited {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.calls--
			s.checkIdle()
		}
	}
}

// checkIdle says so if there is nothing left to wait for. s.mu is held.
func (s *Service) checkIdle() {
	if len(s.lines) == 0 && s.calls == 0 && s.isStopping() {
		close(s.idle)
	}
}
