// Package sim runs the lock's service and its queue against a store in memory, on
// virtual time, with one seed for everything that is left to chance: which call
// reaches the store next, which answer or which news comes back, what is lost, what a
// client does, how much time passes. One thing happens at a time, so a seed gives the
// same run again, step by step. It is all in the tests.
package sim
