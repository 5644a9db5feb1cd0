// A small seeded generator whose numbers are the same on every machine and standard library
// (std's distributions are not): everything random in Crayon comes from here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace crayon {

/// xoshiro256** (Blackman and Vigna 2018), seeded through splitmix64.
class Rng {
 public:
  explicit Rng(std::uint64_t seed);
  /// An independent stream for a named purpose, so that adding one use does not shift the others.
  Rng(std::uint64_t seed, std::string_view purpose);

  [[nodiscard]] std::uint64_t next();
  [[nodiscard]] double uniform();                  ///< In [0, 1).
  [[nodiscard]] std::size_t below(std::size_t n);  ///< In 0..n-1; n at least 1.
  [[nodiscard]] double normal();                   ///< Mean 0, deviation 1.

  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

  /// The whole state, for checkpoints: 4 words.
  [[nodiscard]] std::vector<std::uint64_t> state() const { return {s_, s_ + 4}; }
  void set_state(const std::vector<std::uint64_t>& state);

 private:
  std::uint64_t s_[4];
};

}  // namespace crayon
