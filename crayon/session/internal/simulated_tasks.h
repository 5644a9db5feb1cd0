// Are the signals that leave-one-out gives for a task's own examples optimistic? Simulated tasks,
// where the truth is known: the head is fitted and a candidate kept on K examples, as customize
// does, and then meets fresh questions. For a test, and for the table of docs/design/router.md.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace crayon {

struct World {
  const char* name;
  double blend = 1;  ///< How far the blend's scores lift the right choice ...
  double base = 1;   ///< ... and the base's.
  double lean = 0;   ///< How far the labels' own scores differ.
  double z = 0;      ///< How far the embedding tells the label.
};

/// What signals of a task's own examples say of it, against fresh questions.
struct Outcome {
  double gap = 0;    ///< Accuracy that they claim, less that on fresh questions.
  double over = 0;   ///< Mean confidence there that they calibrate, less accuracy there.
  double error = 0;  ///< ECE there.
};

enum Way : std::size_t { kInSample, kLeaveOneOut, kNested };

/// Means over `tasks` tasks. The prior, as a pool's generic calibration, was fitted on fresh
/// questions of other tasks of the same world.
[[nodiscard]] std::array<Outcome, 3> simulate(const World& world, std::size_t k, std::size_t tasks);

[[nodiscard]] std::span<const World> simulated_worlds();

}  // namespace crayon
