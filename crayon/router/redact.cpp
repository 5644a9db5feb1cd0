#include "crayon/router/redact.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "crayon/base/error.h"

namespace crayon {
namespace {

constexpr std::size_t kShortestRepeat = 4;  // bytes
constexpr std::size_t kMostWork = 1 << 28;  // bytes looked at for repeats: some 0.1 s

void check_part(const HiddenPart& part, std::span<const std::string_view> texts) {
  const bool inside =
      part.text < texts.size() && part.begin < part.end && part.end <= texts[part.text].size();
  if (inside && !part.label.empty()) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("redaction: a part of text {} of {}, bytes {} to {}, label of {} bytes; "
                          "expected one inside its text",
                          part.text, texts.size(), part.begin, part.end, part.label.size()));
}

/// The parts of one text by their beginning, those that overlap joined.
std::vector<HiddenPart> parts_of(std::size_t text, std::span<const HiddenPart> hidden) {
  std::vector<HiddenPart> parts;
  std::ranges::copy_if(hidden, std::back_inserter(parts),
                       [&](const HiddenPart& part) { return part.text == text; });
  std::ranges::stable_sort(parts, {}, &HiddenPart::begin);
  std::vector<HiddenPart> joined;
  for (const HiddenPart& part : parts) {
    if (joined.empty() || part.begin >= joined.back().end) {
      joined.push_back(part);
    } else {
      joined.back().end = std::max(joined.back().end, part.end);
    }
  }
  return joined;
}

/// Adds all places of the same bytes in a text, those that overlap as one.
void add_places(std::string_view value, std::string_view text, const HiddenPart& like,
                std::vector<HiddenPart>& to) {
  std::size_t end = 0;
  for (std::size_t at = text.find(value); at != std::string_view::npos;
       at = text.find(value, at + 1)) {
    const bool overlaps = end > at;
    end = at + value.size();
    if (overlaps) {
      to.back().end = end;
    } else {
      to.push_back({like.text, at, end, like.label});
    }
  }
}

/// The parts, and all other places where the same bytes stand: a password is told by the words
/// before it, and these need not stand there again. Very short ones are left, as they are part of
/// many a word.
std::vector<HiddenPart> with_repeats(std::span<const std::string_view> texts,
                                     std::span<const HiddenPart> hidden) {
  std::vector<HiddenPart> all(hidden.begin(), hidden.end());
  std::map<std::string_view, std::string> labels;
  for (const HiddenPart& part : hidden) {
    const std::string_view value = texts[part.text].substr(part.begin, part.end - part.begin);
    if (value.size() >= kShortestRepeat) labels.emplace(value, part.label);
  }
  std::size_t bytes = 0;
  for (const std::string_view text : texts) bytes += text.size();
  if (bytes > kMostWork / std::max<std::size_t>(1, labels.size())) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("redaction: {} different parts to hide in {} bytes; that would take "
                            "too long",
                            labels.size(), bytes));
  }
  for (const auto& [value, label] : labels) {
    for (std::size_t i = 0; i < texts.size(); ++i)
      add_places(value, texts[i], {i, 0, 0, label}, all);
  }
  return all;
}

}  // namespace

Redaction::Redaction(std::span<const std::string_view> texts, std::span<const HiddenPart> hidden) {
  for (const HiddenPart& part : hidden) check_part(part, texts);
  const std::vector<HiddenPart> all = with_repeats(texts, hidden);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string out;
    std::size_t at = 0;
    for (const HiddenPart& part : parts_of(i, all)) {
      out += texts[i].substr(at, part.begin - at);
      out += placeholder(texts[i].substr(part.begin, part.end - part.begin), part.label, texts);
      at = part.end;
    }
    out += texts[i].substr(at);
    texts_.push_back(std::move(out));
  }
}

std::string Redaction::placeholder(std::string_view value, const std::string& label,
                                   std::span<const std::string_view> texts) {
  const auto known = holders_.find(value);
  if (known != holders_.end()) return known->second;
  std::string name;
  const auto taken = [&](std::string_view text) {
    return text.find(name) != std::string_view::npos;
  };
  for (std::size_t n = 1;
       name.empty() || values_.contains(name) || std::ranges::any_of(texts, taken); ++n) {
    name = fmt::format("[{}_{}]", label, n);
  }
  values_[name] = value;
  holders_[std::string(value)] = name;
  longest_ = std::max(longest_, name.size());
  return name;
}

std::string Redaction::restore(std::string_view answer) const {
  std::string out;
  while (!answer.empty()) {
    const auto open = std::min(answer.find('['), answer.size());
    out += answer.substr(0, open);
    answer.remove_prefix(open);
    const auto close = answer.find(']');
    const auto found =
        close == std::string_view::npos ? values_.end() : values_.find(answer.substr(0, close + 1));
    const std::size_t used =
        found != values_.end() ? close + 1 : std::min<std::size_t>(1, answer.size());
    out += found != values_.end() ? std::string_view(found->second) : answer.substr(0, used);
    answer.remove_prefix(used);
  }
  return out;
}

std::string Redaction::restore_piece(std::string_view piece, bool last) {
  waiting_ += piece;
  std::size_t ready = waiting_.size();
  const auto open = waiting_.rfind('[');
  const bool may_go_on = open != std::string::npos &&
                         waiting_.find(']', open) == std::string::npos &&
                         waiting_.size() - open < longest_;
  if (may_go_on && !last) ready = open;
  const std::string out = restore(std::string_view(waiting_).substr(0, ready));
  waiting_.erase(0, ready);
  return out;
}

}  // namespace crayon
