#include "crayon/prompt/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/text.h"

namespace crayon {
namespace {

constexpr std::size_t kMaxChoices = 26;
constexpr std::size_t kMaxReplyBytes = 4096;  // a reply to "the letter only" is short

/// Letters, digits, the apostrophe inside a word, and all bytes of other scripts.
bool is_word(char c) {
  return (lowered(c) >= 'a' && lowered(c) <= 'z') || (c >= '0' && c <= '9') || c == '\'' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// A word of the reply and what stands right before and after it.
struct Word {
  std::string raw;
  std::string low;
  std::string before;  ///< What is between the previous word and this one.
  std::string after;   ///< What is between this word and the next.
};

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  std::string gap;
  while (!text.empty()) {
    const auto stop =
        std::find_if(text.begin(), text.end(),
                     [inside = is_word(text.front())](char c) { return is_word(c) != inside; });
    const std::string piece(text.begin(), stop);
    text.remove_prefix(piece.size());
    if (!is_word(piece.front())) {
      gap = piece;
      if (!words.empty()) words.back().after = piece;
      continue;
    }
    std::string bare = piece;  // quotes around a word are no part of it
    while (!bare.empty() && bare.front() == '\'') bare.erase(0, 1);
    while (!bare.empty() && bare.back() == '\'') bare.pop_back();
    if (bare.empty()) continue;
    words.push_back({bare, lowered(bare), gap, ""});
    gap.clear();
  }
  return words;
}

std::vector<std::string> plain_words(std::string_view text) {
  std::vector<std::string> out;
  for (Word& word : words_of(text)) out.push_back(std::move(word.low));
  return out;
}

template <std::size_t N>
bool one_of(std::string_view word, const std::array<std::string_view, N>& known) {
  return std::find(known.begin(), known.end(), word) != known.end();
}

constexpr std::array<std::string_view, 12> kCues{"answer",  "is",   "option", "choice",
                                                 "choose",  "pick", "select", "letter",
                                                 "answers", "be",   "say",    "go"};
constexpr std::array<std::string_view, 8> kAfterLetter{"is",    "because", "since", "seems",
                                                       "would", "should",  "or",    "and"};
/// "I would say ..." is no letter.
constexpr std::array<std::string_view, 2> kAfterPerson{"would", "should"};
constexpr std::array<std::string_view, 2> kJoins{"or", "and"};

/// A letter of a choice in the reply.
struct Mention {
  int index = 0;
  std::size_t word = 0;
  bool strong = false;  ///< Meant as a choice beyond doubt: bracketed, after a cue, or leading.
};

class ReplyReader {
 public:
  ReplyReader(std::string_view reply, const std::vector<std::string>& choices)
      : reply_(trimmed(reply.substr(0, kMaxReplyBytes))),
        choices_(choices),
        words_(words_of(reply_)) {}

  [[nodiscard]] std::optional<int> read() const {
    if (words_.size() == 1) {
      if (const auto index = letter_index(words_.front().low)) return index;
    }
    if (const auto index = equal_text()) return index;
    if (words_.empty()) return std::nullopt;
    if (const auto index = letter_with_its_text()) return index;
    const auto mentions = letter_mentions();
    if (are_joined(mentions)) return std::nullopt;
    std::vector<int> strong;
    std::vector<int> any;
    for (const Mention& m : mentions) {
      any.push_back(m.index);
      if (m.strong) strong.push_back(m.index);
    }
    if (!strong.empty()) return only(strong);
    const auto texts = contained_texts();
    return texts.empty() ? only(any) : only(texts);
  }

 private:
  /// Index of a single letter within the choices.
  [[nodiscard]] std::optional<int> letter_index(std::string_view word) const {
    if (word.size() != 1) return std::nullopt;
    const int index = lowered(word.front()) - 'a';
    if (index < 0 || index >= static_cast<int>(choices_.size())) return std::nullopt;
    return index;
  }

  static std::optional<int> only(std::vector<int> found) {
    const bool same = std::all_of(found.begin(), found.end(), [&](int i) { return i == found[0]; });
    return !found.empty() && same ? std::optional(found[0]) : std::nullopt;
  }

  /// The reply is a choice's text: as it stands, else without case and punctuation.
  [[nodiscard]] std::optional<int> equal_text() const {
    std::vector<int> same;
    std::vector<int> alike;
    const auto words = plain_words(reply_);
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      if (lowered(trimmed(choices_[i])) == lowered(reply_)) same.push_back(static_cast<int>(i));
      if (!words.empty() && plain_words(choices_[i]) == words) alike.push_back(static_cast<int>(i));
    }
    return same.empty() ? only(alike) : only(same);
  }

  [[nodiscard]] bool text_stands_at(std::size_t word, const std::vector<std::string>& text) const {
    if (text.empty() || words_.size() < word + text.size()) return false;
    return std::equal(text.begin(), text.end(), words_.begin() + static_cast<std::ptrdiff_t>(word),
                      [](const std::string& a, const Word& b) { return a == b.low; });
  }

  /// "B Paris", "B. Vitamin A": the letter and then the text of that very choice.
  [[nodiscard]] std::optional<int> letter_with_its_text() const {
    const auto index = letter_index(words_.front().low);
    if (!index) return std::nullopt;
    const auto text = plain_words(choices_[static_cast<std::size_t>(*index)]);
    return text_stands_at(1, text) ? index : std::nullopt;
  }

  [[nodiscard]] std::optional<Mention> mention_at(std::size_t at) const {
    const Word& word = words_[at];
    const auto index = letter_index(word.raw);
    if (!index) return std::nullopt;
    const bool last = at + 1 == words_.size();
    const bool bracketed = word.before.ends_with('(') || word.before.ends_with('[') ||
                           word.before.ends_with('*') || word.after.starts_with(')') ||
                           word.after.starts_with(']');
    const bool delimited = last || bracketed || !trimmed(word.after).empty() ||
                           word.after.find('\n') != std::string::npos;
    const std::string_view previous = at > 0 ? std::string_view(words_[at - 1].low) : "";
    if (previous == "not") return std::nullopt;
    if (!is_upper(word.raw.front()) && !bracketed && !(at == 0 && delimited)) return std::nullopt;
    const bool could_be_word = word.low == "a" || word.low == "i";
    if (could_be_word && !delimited) {
      const std::string& next = words_[at + 1].low;
      if (!one_of(next, kAfterLetter)) return std::nullopt;
      if (word.low == "i" && one_of(next, kAfterPerson)) return std::nullopt;
    }
    return Mention{*index, at, at == 0 || bracketed || one_of(previous, kCues)};
  }

  [[nodiscard]] std::vector<Mention> letter_mentions() const {
    std::vector<Mention> mentions;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (const auto mention = mention_at(i)) mentions.push_back(*mention);
    }
    return mentions;
  }

  /// "A or B", "A, B": two letters side by side or with a joining word between.
  [[nodiscard]] bool are_joined(const std::vector<Mention>& mentions) const {
    for (std::size_t i = 1; i < mentions.size(); ++i) {
      const Mention& a = mentions[i - 1];
      const Mention& b = mentions[i];
      const bool beside =
          b.word == a.word + 1 || (b.word == a.word + 2 && one_of(words_[a.word + 1].low, kJoins));
      if (a.index != b.index && beside) return true;
    }
    return false;
  }

  /// Choices whose text occurs in the reply, without those that are part of a longer such text.
  [[nodiscard]] std::vector<int> contained_texts() const {
    std::vector<std::vector<std::string>> found(choices_.size());
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      const auto text = plain_words(choices_[i]);
      for (std::size_t at = 0; at < words_.size(); ++at) {
        if (text_stands_at(at, text)) found[i] = text;
      }
    }
    std::vector<int> out;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const bool covered = std::any_of(found.begin(), found.end(), [&](const auto& other) {
        return other.size() > found[i].size() &&
               std::search(other.begin(), other.end(), found[i].begin(), found[i].end()) !=
                   other.end();
      });
      if (!found[i].empty() && !covered) out.push_back(static_cast<int>(i));
    }
    return out;
  }

  std::string_view reply_;
  const std::vector<std::string>& choices_;
  std::vector<Word> words_;
};

}  // namespace

std::vector<ChatMessage> lettered_question(const Example& example) {
  const auto& choices = example.choices;
  if (choices.empty() || choices.size() > kMaxChoices) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("question '{}' has {} choices; expected 1 to {}, one letter each",
                            example.id, choices.size(), kMaxChoices));
  }
  std::string text = example.context.empty() ? "" : example.context + "\n\n";
  text += "Question: " + example.question + "\n\n";
  for (std::size_t i = 0; i < choices.size(); ++i) {
    text += fmt::format("{}. {}\n", static_cast<char>('A' + i), choices[i]);
  }
  text += "\nWhich choice is right? Reply with its letter only, without any other text.";
  return {{"user", text}};
}

std::optional<int> parse_choice(std::string_view reply, const std::vector<std::string>& choices) {
  return ReplyReader(reply, choices).read();
}

std::vector<double> letter_log_probs(std::span<const std::pair<std::string, double>> tokens,
                                     std::size_t n) {
  std::vector<double> sums(n, 0.0);
  double least = 0;
  for (const auto& [text, log_prob] : tokens) {
    least = std::min(least, log_prob);
    const auto words = words_of(text);
    if (words.size() != 1 || words.front().raw.size() != 1) continue;
    const char c = words.front().raw.front();  // a small "a" is an article
    const auto letter = static_cast<std::size_t>(c - 'A');
    if (is_upper(c) && letter < n) sums[letter] += std::exp(log_prob);
  }
  if (std::ranges::all_of(sums, [](double sum) { return sum == 0; })) return {};
  for (double& sum : sums) sum = sum > 0 ? std::log(sum) : least;
  return sums;
}

std::string normalize_answer(std::string_view text) {
  std::string kept;
  for (const char c : text) {
    if (is_space(c)) {
      kept += ' ';
    } else if (is_word(c) && c != '\'') {
      kept += lowered(c);
    }
  }
  std::string out;
  for (const std::string& word : plain_words(kept)) {
    if (word == "a" || word == "an" || word == "the") continue;
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

}  // namespace crayon
