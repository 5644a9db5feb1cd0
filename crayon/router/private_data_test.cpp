// A list written by hand: texts that hold private data of one kind, and near-misses that hold none.
// Keys are written in two pieces, so that scanners of this repository are not alarmed.
#include "crayon/router/private_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "crayon/base/random.h"

namespace crayon {
namespace {

using Kind = PrivateKind;

struct Case {
  Kind kind;
  const char* text;
};

const std::vector<Case>& positives() {
  static const std::vector<Case> kCases = {
      {Kind::Email, "write to jane.doe@example.com please"},
      {Kind::Email, "J.Doe+news@mail.example.co.uk"},
      {Kind::Email, "Contact: <ops-team@sub.example.org>."},
      {Kind::Email, "jörg@bücher.example is his address"},
      {Kind::Email, "mailto:someone@example.museum?subject=hi"},
      {Kind::Email, "o'neil_7@x-y.io,and others"},
      {Kind::Email, "FROM: ALICE@EXAMPLE.COM"},
      {Kind::Email, "a@b.de"},
      {Kind::Email, "my handle is @kim@social.example"},
      {Kind::Email, "her\u00a0address:\u00a0ada@lovelace.example"},
      {Kind::Email, "ad\u200ba@lovelace.example"},
      {Kind::Email, "(reply to 123@numbers.net)"},
      {Kind::Email, "ada\ufe6blovelace.example"},
      {Kind::Phone, "call +1 404 555 0199 tomorrow"},
      {Kind::Phone,
       "\u0647\u0627\u062a\u0641 +\u0669\u0666\u0666 \u0665\u0660 \u0661\u0662\u0663 "
       "\u0664\u0665\u0666\u0667"},
      {Kind::Phone, "+\u06f9\u06f8 \u06f2\u06f1 \u06f1\u06f2\u06f3\u06f4 \u06f5\u06f6\u06f7\u06f8"},
      {Kind::Phone, "+\u0967 \u096a\u0966\u096a \u096b\u096b\u096b \u0966\u0967\u096f\u096f"},
      {Kind::Phone, "+1 404\u2066 555\u2069 0199"},
      {Kind::Phone, "+49 (0)30 901820"},
      {Kind::Phone, "+442079460958"},
      {Kind::Phone, "+33 6 12 34 56 78"},
      {Kind::Phone, "+91-98765-43210"},
      {Kind::Phone, "0049 30 901820"},
      {Kind::Phone, "(404) 555-0199"},
      {Kind::Phone, "404-555-0199."},
      {Kind::Phone, "404.555.0199"},
      {Kind::Phone, "my number is 404 555 0199"},
      {Kind::Phone, "1-800-555-0199"},
      {Kind::Phone, "06 12 34 56 78"},
      {Kind::Phone, "020 7946 0958"},
      {Kind::Phone, "Tel. 030/901820-15"},
      {Kind::Phone, "0171 1234567"},
      {Kind::Phone, "07700 900123"},
      {Kind::Phone, "07700900123"},
      {Kind::Phone, "phone: 555-0199"},
      {Kind::Phone, "you can reach me at 5550199"},
      {Kind::Phone, "WhatsApp 5550199123"},
      {Kind::Phone, "Téléphone : 0612345678"},
      {Kind::Phone, "tel\u00a0+49\u2011151\u201123456789"},
      {Kind::Phone, "+81 3-1234-5678"},
      {Kind::Phone, "+5511987654321"},
      {Kind::Card, "4111 1111 1111 1111"},
      {Kind::Card, "4111111111111111"},
      {Kind::Card, "my card 5555-5555-5555-4444, thanks"},
      {Kind::Card, "Amex 3782 822463 10005"},
      {Kind::Card, "378282246310005"},
      {Kind::Card, "6011111111111117"},
      {Kind::Card, "3530111333300000"},
      {Kind::Card, "3056 930902 5904"},
      {Kind::Card, "2221000000000009"},
      {Kind::Card, "4222222222222"},
      {Kind::Card, "card=6304000000000000;"},
      {Kind::Card, "\"pan\":\"4012888888881881\""},
      {Kind::Card, "4111\u00a01111\u00a01111\u00a01111"},
      {Kind::Card, "６０１１ 1111 1111 1117"},
      {Kind::Iban, "DE89 3704 0044 0532 0130 00"},
      {Kind::Iban, "DE89370400440532013000"},
      {Kind::Iban, "IBAN: GB29 NWBK 6016 1331 9268 19."},
      {Kind::Iban, "FR14 2004 1010 0505 0001 3M02 606"},
      {Kind::Iban, "NL91ABNA0417164300 please pay"},
      {Kind::Iban, "pay to CH93 0076 2011 6238 5295 7 today"},
      {Kind::Iban, "es9121000418450200051332"},
      {Kind::Iban, "IT60X0542811101000000123456"},
      {Kind::Iban, "NO93 8601 1117 947"},
      {Kind::Iban, "UA213223130000026007233566001"},
      {Kind::Iban, "EG380019000500000000263180002"},
      {Kind::Iban, "BE68-5390-0754-7034"},
      {Kind::Iban, "AT61 1904 3002 3457 3201"},
      {Kind::Iban, "PL61109010140000071219812874"},
      {Kind::Ip, "the host 192.168.1.20 is down"},
      {Kind::Ip, "ssh root@10.0.0.7"},
      {Kind::Ip, "from 203.0.113.9:8080"},
      {Kind::Ip, "8.8.8.8,8.8.4.4"},
      {Kind::Ip, "http://172.16.4.4/index"},
      {Kind::Ip, "172.16.0.0/12"},
      {Kind::Ip, "client 198.51.100.23."},
      {Kind::Ip, "2001:db8::8a2e:370:7334"},
      {Kind::Ip, "fe80::1ff:fe23:4567:890a%eth0"},
      {Kind::Ip, "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:443"},
      {Kind::Ip, "::ffff:192.0.2.128"},
      {Kind::Ip, "addr=2a00:1450:4001:81b::200e"},
      {Kind::Secret,
       "-----BEGIN RSA "
       "PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"},
      {Kind::Secret,
       "-----BEGIN OPENSSH "
       "PRIVATE KEY-----\nb3BlbnNz"},
      {Kind::Secret,
       "AKIA"
       "IOSFODNN7AAAAAAA"},
      {Kind::Secret,
       "gh"
       "p_16C7e42F292c6912E7710c838347Ae178B4a"},
      {Kind::Secret,
       "github"
       "_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPq"},
      {Kind::Secret,
       "gl"
       "pat-aB3dE6gH9jK2mN5pQ8sT"},
      {Kind::Secret,
       "sk"
       "-proj-aBcD1234eFgH5678iJkL9012"},
      {Kind::Secret,
       "sk"
       "-ant-api03-abcDEF123456ghiJKL789"},
      {Kind::Secret,
       "xo"
       "xb-123456789012-abcdefABCDEF"},
      {Kind::Secret,
       "AI"
       "zaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q"},
      {Kind::Secret,
       "sk"
       "_live_4eC39HqLyjWDarjtT1zdp7dc"},
      {Kind::Secret,
       "ey"
       "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"},
      {Kind::Secret,
       "hf"
       "_aBcDeFgHiJkLmNoPqRsTuVwXyZ123456"},
      {Kind::Secret, "postgres://app:s3cr3t-pw@db.internal/orders"},
      {Kind::Secret, "password: hunter2"},
      {Kind::Secret, "My password is Tr0ub4dor&3"},
      {Kind::Secret, "DB_PASSWORD=correct!horse"},
      {Kind::Secret, "the wifi passphrase is blue42kettle"},
      {Kind::Secret, "passcode: 493817"},
      {Kind::Secret, "Das Passwort ist Sommer2024!"},
      {Kind::Secret, "api_key = \"9f86d081884c7d659a2feaa0c55ad015\""},
      {Kind::Secret, "Authorization: Bearer 7d9f3a1c5e8b2046a1b2c3"},
      {Kind::Secret, "client-secret => Zx9Qw3Er7Ty1Ui5Op"},
      {Kind::Secret, "the token is 8c1f4a77e0b94d21"},
      {Kind::Secret, "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq=="},
      {Kind::Secret, "{\"access_key\": \"q8Rk2LmP0vXs7TzN\"}"},
  };
  return kCases;
}

/// Near-misses: the kind that they are nearly, though no kind at all may be found in them.
const std::vector<Case>& negatives() {
  static const std::vector<Case> kCases = {
      {Kind::Email, "meet me @ the cafe"},
      {Kind::Email, "npm install @scope/package"},
      {Kind::Email, "lodash@4.17.21 is old"},
      {Kind::Email, "user@localhost"},
      {Kind::Email, "icon@2x.png"},
      {Kind::Email, "git@github.com:owner/project.git"},
      {Kind::Email, "@Override public void run()"},
      {Kind::Email, "three apples @ 1.50 each"},
      {Kind::Email, "a @ b.com"},
      {Kind::Email, "@app.route('/')"},
      {Kind::Phone, "on 2024-10-15 at 12:30:45"},
      {Kind::Phone, "01/02/2024 10:30"},
      {Kind::Phone, "15.10.2024"},
      {Kind::Phone, "ISBN 978-0-306-40615-7"},
      {Kind::Phone, "ISBN 0306406152"},
      {Kind::Phone, "order 123456789 has shipped"},
      {Kind::Phone, "the years 1914 1918 1939 1945"},
      {Kind::Phone, "pi is 3.14159265358979"},
      {Kind::Phone, "a loss of 1,234,567,890 dollars"},
      {Kind::Phone, "pages 100-200 and 300-400"},
      {Kind::Phone, "version 10.2.3456"},
      {Kind::Phone, "the score was 110-98"},
      {Kind::Phone, "UTC+01:00"},
      {Kind::Phone, "a phone with 8 GB and 5000 mAh"},
      {Kind::Phone, "timestamp 1748503543012"},
      {Kind::Phone, "x = 12 + 30 * 45"},
      {Kind::Phone, "ticket ABC-404-555"},
      {Kind::Phone, "cell 12 of the table"},
      {Kind::Phone, "0.5 0.25 0.125 0.0625"},
      {Kind::Phone, "call me at 10 30"},
      {Kind::Card, "4111111111111112"},
      {Kind::Card, "1748503543012"},
      {Kind::Card, "0000 0000 0000 0000"},
      {Kind::Card, "9999999999999995"},
      {Kind::Card, "2.3500000000000001E-3"},
      {Kind::Card, "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"},
      {Kind::Card, "id-4111111111111111x"},
      {Kind::Card, "0.4111111111111111"},
      {Kind::Card, "12345678901234567890"},
      {Kind::Iban, "DE88 3704 0044 0532 0130 00"},
      {Kind::Iban, "XX89370400440532013000"},
      {Kind::Iban, "DE8937040044053201300"},
      {Kind::Iban, "DE893704004405320130001"},
      {Kind::Iban, "GB29 is a road"},
      {Kind::Iban, "IT60 minutes of code"},
      {Kind::Iban, "no12 more words follow here today"},
      {Kind::Ip, "version 1.2.3.4"},
      {Kind::Ip, "v10.0.0.1"},
      {Kind::Ip, "300.1.2.3"},
      {Kind::Ip, "1.2.3.4.5"},
      {Kind::Ip, "127.0.0.1"},
      {Kind::Ip, "bind to 0.0.0.0:8080"},
      {Kind::Ip, "::1"},
      {Kind::Ip, "std::vector<int>"},
      {Kind::Ip, "bad::cafe"},
      {Kind::Ip, "12:30:45"},
      {Kind::Ip, "01:02:03:04:05:06"},
      {Kind::Ip, "release 10.0.19045.1"},
      {Kind::Ip, "section 4.1.2.3 of the text"},
      {Kind::Secret, "how do I reset my password?"},
      {Kind::Secret, "the password is wrong"},
      {Kind::Secret, "password: string"},
      {Kind::Secret, "password = getpass.getpass()"},
      {Kind::Secret, "PASSWORD_FILE=/run/secrets/db_password"},
      {Kind::Secret, "password: ${DB_PASSWORD}"},
      {Kind::Secret, "API_KEY=your-api-key-goes-here-123"},
      {Kind::Secret, "api_key: <put your key 12 here>"},
      {Kind::Secret, "max_tokens: 4096"},
      {Kind::Secret, "the secret of long-distance-running"},
      {Kind::Secret, "token = nextToken(inputStream)"},
      {Kind::Secret, "the author of token-classification"},
      {Kind::Secret, "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"},
      {Kind::Secret, "550e8400-e29b-41d4-a716-446655440000"},
      {Kind::Secret, "-----BEGIN CERTIFICATE-----"},
      {Kind::Secret, "-----BEGIN PUBLIC KEY-----"},
      {Kind::Secret, "callFunctionCheckIfDataAlreadyExistsPerpetualSubinventory"},
      {Kind::Secret, "https://example.com/a/b?c=d@e"},
      {Kind::Secret, "sk-learn is a nickname"},
      {Kind::Secret, "authentication methods 1 and 2"},
      {Kind::Secret, "tokens: prompt 1234, completion 567"},
  };
  return kCases;
}

bool holds(Kind kind, std::string_view text) {
  for (const PrivateData& data : find_private(text)) {
    if (data.kind == kind) return true;
  }
  return false;
}

TEST(PrivateData, RecallAndPrecisionOnTheListByHand) {
  for (const Kind kind : kPrivateKinds) {
    int found = 0, all = 0, false_alarms = 0;
    for (const auto& [of, text] : positives()) {
      if (of != kind) continue;
      ++all;
      EXPECT_TRUE(holds(kind, text)) << to_string(kind) << " missed in: " << text;
      found += holds(kind, text);
    }
    for (const auto& [nearly, text] : negatives()) {
      const bool alarm = holds(kind, text);
      EXPECT_FALSE(alarm) << to_string(kind) << " seen in: " << text;
      false_alarms += alarm;
    }
    const std::string name(to_string(kind));
    RecordProperty(name + "_recall", std::to_string(found) + "/" + std::to_string(all));
    RecordProperty(name + "_false_alarms", false_alarms);
  }
}

TEST(PrivateData, NothingIsFoundOfAnotherKindThanTheOneThatIsThere) {
  std::map<std::string, int> wrong;
  for (const auto& [kind, text] : positives()) {
    for (const PrivateData& data : find_private(text)) {
      // A number that follows "token" or an address with a password is rightly two things.
      if (data.kind != kind && kind != Kind::Secret && data.kind != Kind::Email) {
        ADD_FAILURE() << to_string(data.kind) << " in " << text;
      }
    }
  }
}

TEST(PrivateData, PartsAreExactlyWhatIsPrivate) {
  const auto part = [](std::string_view text) {
    const auto found = find_private(text);
    return found.empty() ? std::string("nothing")
                         : std::string(text.substr(found[0].begin, found[0].end - found[0].begin));
  };
  EXPECT_EQ(part("mail a.b@c.de."), "a.b@c.de");
  EXPECT_EQ(part("pay NL91 ABNA 0417 1643 00 now"), "NL91 ABNA 0417 1643 00");
  EXPECT_EQ(part("card 4111-1111-1111-1111!"), "4111-1111-1111-1111");
  EXPECT_EQ(part("at (404) 555-0199 or"), "(404) 555-0199");
  EXPECT_EQ(part("IP 10.1.2.3."), "10.1.2.3");
  EXPECT_EQ(part("password: hunter2."), "hunter2");
  EXPECT_EQ(part("on\u00a0a@b.de\u00a0today"), "a@b.de") << "offsets are those of the text itself";
  EXPECT_EQ(part("ad\u200ba@b.example"), "ad\u200ba@b.example");
}

TEST(PrivateData, APrivateKeyIsHiddenToItsEndAlsoWhereItIsQuotedOrCutOff) {
  const std::string begin =
      "-----BEGIN RSA PRIVATE"
      " KEY-----";
  const std::string end =
      "-----END RSA PRIVATE"
      " KEY-----";
  const auto rest = [&](const std::string& text) {
    std::string left = text;
    for (const PrivateData& data : find_private(text)) {
      left.replace(data.begin, data.end - data.begin, data.end - data.begin, '_');
    }
    std::erase(left, '_');
    return left;
  };
  EXPECT_EQ(rest("a " + begin + "\nMIIEow\n" + end + " b"), "a  b");
  EXPECT_EQ(rest("{\"k\": \"" + begin + "\\nMIIEow\\n" + end + "\\n\"}"), "{\"k\": \"\\n\"}");
  EXPECT_EQ(rest(begin + "\nComment: (a) <b@c>\n\nMIIEow\n" + end), "");
  EXPECT_EQ(rest("a " + begin + "\nMIIEowIBAAKC\nAQEA7 what is this?"), "a ?") << "cut off";
}

// What is refused costs no more than what is found: a text that is all beginnings and no end must
// not take a look at its rest from each of them, which takes minutes where this takes a second.
TEST(PrivateData, ReadsATextOfBeginningsInOneGo) {
  const auto times = [](const std::string& part, const std::string& last) {
    std::string text;
    while (text.size() < (1u << 18)) text += part;
    return text + last;
  };
  for (const std::string& text :
       {times("a", "@b.example_"), times("password:", "xxxx"), times("token=", "<"),
        times("-----BEGIN PRIVATE"
              " KEY-----",
              ""),
        times("a@b.co_", ""), times("+1 ", ""), times("1", "a"), times("http://:", ""),
        times("DE89 3", "")}) {
    (void)find_private(text);
  }
}

TEST(PrivateData, AnyBytesGiveAnAnswer) {
  Rng rng(7);
  const std::string letters = "@.:+-/ 0123456789abcdefDE\x80\xC2\xE2\xFF=";
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    const std::size_t length = rng.below(60);
    for (std::size_t k = 0; k < length; ++k) text += letters[rng.below(letters.size())];
    for (const PrivateData& data : find_private(text)) {
      ASSERT_LT(data.begin, data.end) << text;
      ASSERT_LE(data.end, text.size()) << text;
    }
  }
}

TEST(PrivateData, EveryOtherLastDigitOfACardAndAnIbanIsRefused) {
  for (char digit = '0'; digit <= '9'; ++digit) {
    EXPECT_EQ(holds(Kind::Card, std::string("411111111111111") + digit), digit == '1');
    EXPECT_EQ(holds(Kind::Iban, std::string("DE8937040044053201300") + digit), digit == '0');
  }
}

}  // namespace
}  // namespace crayon
