#include "crayon/engine/internal/packing.h"

#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/error.h"

namespace crayon::internal {
namespace {

/// A prompt with as many of its choices as the cache holds at once.
struct Piece {
  std::vector<PackedToken> tokens;
  std::vector<Reading> readings;
  std::vector<StateReading> states;
  std::size_t outputs = 0;
  std::size_t sequences = 1;
};

/// Collects pieces until one does not fit any more.
class Packer {
 public:
  Packer(const PackLimits& limits, bool states) : limits_(limits), states_(states) {}

  void add(std::size_t prompt, const TokenizedChoices& tokens);
  std::vector<PackedPass> finish() {
    flush();
    return std::move(passes_);
  }

 private:
  Piece begin_piece(std::size_t prompt, const TokenizedChoices& tokens, bool first) const;
  void add_branch(Piece& piece, std::size_t prompt, std::size_t choice,
                  const TokenizedChoices& tokens) const;
  /// How many tokens of a branch are read: the last one is only predicted, unless for its state.
  [[nodiscard]] std::size_t read(const std::vector<int>& branch) const {
    return states_ ? branch.size() : branch.size() - 1;
  }
  void place(Piece&& piece);
  void flush();

  const PackLimits& limits_;
  bool states_;
  std::vector<PackedPass> passes_;
  Piece group_{.tokens = {}, .readings = {}, .states = {}, .outputs = 0, .sequences = 0};
  std::size_t done_ = 0;
};

/// The first piece of a prompt also reads what its last row says of each choice's first token.
Piece Packer::begin_piece(std::size_t prompt, const TokenizedChoices& tokens, bool first) const {
  Piece piece;
  for (std::size_t i = 0; i < tokens.prefix.size(); ++i) {
    piece.tokens.push_back({.token = tokens.prefix[i], .position = static_cast<int>(i)});
  }
  for (std::size_t c = 0; first && c < tokens.branches.size(); ++c) {
    if (tokens.unscored[c] > 0) continue;
    piece.readings.push_back({tokens.prefix.size() - 1, prompt, c, tokens.branches[c].front()});
  }
  if (!piece.readings.empty()) {
    piece.tokens.back().output = true;
    piece.outputs = 1;
  }
  piece.sequences = 0;
  return piece;
}

void Packer::add_branch(Piece& piece, std::size_t prompt, std::size_t choice,
                        const TokenizedChoices& tokens) const {
  const std::vector<int>& branch = tokens.branches[choice];
  const std::size_t unscored = tokens.unscored[choice];
  for (std::size_t j = 0; j < read(branch); ++j) {
    const bool predicts = j + 1 < branch.size() && j + 1 >= unscored;
    const bool state = states_ && j >= unscored;
    const bool output = predicts || state;
    if (predicts) piece.readings.push_back({piece.tokens.size(), prompt, choice, branch[j + 1]});
    if (state) piece.states.push_back({piece.tokens.size(), prompt, choice});
    piece.outputs += output ? 1 : 0;
    piece.tokens.push_back({.token = branch[j],
                            .position = static_cast<int>(tokens.prefix.size() + j),
                            .first_sequence = static_cast<int>(piece.sequences),
                            .sequences = 1,
                            .output = output});
  }
  ++piece.sequences;
}

void Packer::add(std::size_t prompt, const TokenizedChoices& tokens) {
  Piece piece = begin_piece(prompt, tokens, true);
  const auto place_piece = [&] {
    piece.sequences = std::max<std::size_t>(piece.sequences, 1);
    for (std::size_t i = 0; i < tokens.prefix.size(); ++i) {
      piece.tokens[i].sequences = static_cast<int>(piece.sequences);
    }
    place(std::move(piece));
  };
  for (std::size_t c = 0; c < tokens.branches.size(); ++c) {
    const std::size_t more = read(tokens.branches[c]);
    if (more == 0) continue;
    if (tokens.prefix.size() + more > limits_.cells) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("a prompt of {} tokens with a choice of {}; the cache holds {}",
                              tokens.prefix.size(), tokens.branches[c].size(), limits_.cells));
    }
    if (piece.sequences == limits_.sequences || piece.tokens.size() + more > limits_.cells) {
      place_piece();
      piece = begin_piece(prompt, tokens, false);
    }
    add_branch(piece, prompt, c, tokens);
  }
  place_piece();
  done_ = prompt + 1;
}

void Packer::place(Piece&& piece) {
  const bool fits = group_.tokens.size() + piece.tokens.size() <= limits_.tokens &&
                    group_.outputs + piece.outputs <= limits_.outputs &&
                    group_.sequences + piece.sequences <= limits_.sequences;
  if (!fits) flush();
  for (PackedToken& token : piece.tokens) {
    token.first_sequence += static_cast<int>(group_.sequences);
  }
  for (Reading& reading : piece.readings) reading.entry += group_.tokens.size();
  for (StateReading& state : piece.states) state.entry += group_.tokens.size();
  group_.tokens.insert(group_.tokens.end(), piece.tokens.begin(), piece.tokens.end());
  group_.readings.insert(group_.readings.end(), piece.readings.begin(), piece.readings.end());
  group_.states.insert(group_.states.end(), piece.states.begin(), piece.states.end());
  group_.outputs += piece.outputs;
  group_.sequences += piece.sequences;
}

/// Moves the readings of entries begin to end - 1 on from `at`, counted from `begin`.
template <typename T>
std::vector<T> take(const std::vector<T>& from, std::size_t& at, std::size_t begin,
                    std::size_t end) {
  std::vector<T> taken;
  for (; at < from.size() && from[at].entry < end; ++at) {
    taken.push_back(from[at]);
    taken.back().entry -= begin;
  }
  return taken;
}

/// The group as passes: one, unless a single long prompt makes it up.
void Packer::flush() {
  std::size_t reading = 0;
  std::size_t state = 0;
  for (std::size_t begin = 0; begin < group_.tokens.size();) {
    PackedPass pass{
        .tokens = {}, .readings = {}, .states = {}, .clears = begin == 0, .done = done_};
    std::size_t outputs = 0;
    std::size_t end = begin;
    while (end < group_.tokens.size() && pass.tokens.size() < limits_.tokens) {
      if (group_.tokens[end].output && ++outputs > limits_.outputs) break;
      pass.tokens.push_back(group_.tokens[end++]);
    }
    pass.readings = take(group_.readings, reading, begin, end);
    pass.states = take(group_.states, state, begin, end);
    passes_.push_back(std::move(pass));
    begin = end;
  }
  group_ = {.tokens = {}, .readings = {}, .states = {}, .outputs = 0, .sequences = 0};
}

}  // namespace

std::vector<PackedPass> pack(std::span<const TokenizedChoices> prompts, const PackLimits& limits,
                             bool states) {
  if (limits.tokens == 0 || limits.outputs == 0 || limits.sequences == 0) {
    throw Error(ErrorCode::InvalidArgument, "a pass needs room for a token, an output, a sequence");
  }
  Packer packer(limits, states);
  for (std::size_t i = 0; i < prompts.size(); ++i) packer.add(i, prompts[i]);
  return packer.finish();
}

}  // namespace crayon::internal
