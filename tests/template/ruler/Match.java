import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import software.amazon.event.ruler.Ruler;

/**
 * Reads [[pattern, event], ...] from standard input, both as texts, and answers with a list of true, false or, where the
 * engine refuses, what it says.
 */
public final class Match {
    public static void main(String[] args) throws Exception {
        var json = new ObjectMapper();
        var answers = json.createArrayNode();
        for (JsonNode pair : json.readTree(System.in)) {
            try {
                answers.add(Ruler.matchesRule(pair.get(1).textValue(), pair.get(0).textValue()));
            } catch (Exception refused) {
                answers.add(refused.toString());
            }
        }
        System.out.println(answers);
    }
}
