#include "crayon/base/random.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "crayon/base/error.h"

namespace crayon {
namespace {

std::uint64_t splitmix(std::uint64_t& x) {
  x += 0x9e3779b97f4a7c15u;
  std::uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

Rng::Rng(std::uint64_t seed) {
  for (auto& word : s_) word = splitmix(seed);
}

Rng::Rng(std::uint64_t seed, std::string_view purpose) : Rng(seed ^ fnv1a(purpose)) {}

std::uint64_t Rng::next() {
  const std::uint64_t result = std::rotl(s_[1] * 5, 7) * 9;
  const std::uint64_t t = s_[1] << 17;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= t;
  s_[3] = std::rotl(s_[3], 45);
  return result;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::size_t Rng::below(std::size_t n) {
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % n;  // reject the tail: no modulo bias
  std::uint64_t x = next();
  while (x >= limit) x = next();
  return static_cast<std::size_t>(x % n);
}

double Rng::normal() {
  const double u = 1.0 - uniform();  // in (0, 1]
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

void Rng::set_state(const std::vector<std::uint64_t>& state) {
  if (state.size() != 4) throw Error(ErrorCode::InvalidArgument, "Rng: a state has 4 words");
  for (std::size_t i = 0; i < 4; ++i) s_[i] = state[i];
}

}  // namespace crayon
