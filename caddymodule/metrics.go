package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

const (
	metricsNamespace = "caddy"
	metricsSubsystem = "etcd"
)

// metrics are gauges of the requests that are parked in this process, those of
// configurations before included, which Caddy's own metrics of requests don't tell.
// It has no state, so every configuration's registry can have it.
type metrics struct{}

var (
	waitingDesc = prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, metricsSubsystem, "requests_waiting"),
		"How many requests wait for their turn.", []string{"module"}, nil)
	listeningDesc = prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, metricsSubsystem, "requests_listening"),
		"How many requests wait for what happens, as events or with wait=true.", []string{"module"}, nil)
)

// Describe implements prometheus.Collector.
func (metrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- waitingDesc
	descriptions <- listeningDesc
}

// Collect implements prometheus.Collector.
func (metrics) Collect(values chan<- prometheus.Metric) {
	for name, service := range map[string]func(*connection) *lockmod.Service{"lock": locks.service, "leader": leaders.service} {
		waiting, listening := 0, 0
		connections.Range(func(_, c any) bool {
			s := service(c.(*connection))
			waiting += s.Waiting()
			listening += s.Listening()
			return true
		})
		values <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(waiting), name)
		values <- prometheus.MustNewConstMetric(listeningDesc, prometheus.GaugeValue, float64(listening), name)
	}
}
