"""Questions and passages of our own that stand for a benchmark's, and others that have nothing of them."""

from __future__ import annotations

QUESTIONS = (
    "Which vaccines should be given before a planned removal of the spleen in adults?",
    "How long should warfarin be stopped before elective hip surgery in older patients?",
    "What is the best first treatment for acute gout in chronic kidney disease?",
    "Can metformin be continued during a scan with iodinated contrast?",
    "Does breast feeding lower the risk of childhood asthma in atopic families?",
    "What are the early warning signs of digoxin toxicity?",
)

SHORT = (
    "What is syncope?",
    "What are the symptoms of lupus?",
    "How is frozen shoulder treated?",
    "Can statins cause tendon rupture?",
)

WRAPPED = {
    "encoder prefix": "query: {}",
    "BGE prompt": "Represent this sentence for searching relevant passages: {}",
    "instruction": "Instruct: Given a question, find passages that answer it\nQuery: {}",
    "question and answer": "Question: {} Answer:",
    "llama chat": "<s>[INST] {} [/INST]",
    "im chat": "<|im_start|>user\n{}<|im_end|>",
    "llama 3 chat": "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>",
    "end token": "{}</s>",
    "tags": '<p class="q">{}</p>',
}
"""What is put around a text for a model; nothing of it is the author's."""

PASSAGES = (
    "Loop diuretics relieve the congestion of heart failure within hours. Weigh the patient every "
    "morning, watch potassium and creatinine, and lower the dose once the ankles are dry, since "
    "overtreatment harms the kidneys and makes the patient dizzy on standing.",
    "A child who wheezes only with colds often grows out of it before school. Inhaled steroids are "
    "worth a trial when attacks are frequent or severe, and are stopped again if six weeks of regular "
    "use have changed nothing that the parents can see.",
    "Atrial fibrillation that began less than two days ago can be converted at once by drugs or by a "
    "shock under brief sedation. If its beginning is unknown, three weeks of anticoagulation come "
    "first, because a clot may lie in the left atrium.",
)

CLEAN = (
    "Is surgery needed for a small umbilical hernia that causes no pain?",
    "Which antibiotics are safe in the first trimester of pregnancy?",
    "How is lactose intolerance told from allergy to cow's milk in infants?",
    "Moles that change their colour, bleed or itch should be looked at with a dermatoscope, and any "
    "that cannot be named with confidence are cut out whole rather than sampled, with a margin of two "
    "millimetres of skin.",
    "Sleep apnoea is suspected where loud snoring meets daytime sleepiness. A night of recording at "
    "home is enough for most, and weight loss with pressure by mask brings relief to nearly all who can "
    "bear the mask.",
    "Stop smoking before the operation: even four weeks without cigarettes halve the infections of the "
    "wound.",
)


def swapped(text: str, place: int) -> str:
    """The text with one word replaced by another."""
    words = text.split()
    words[place] = "otherwise"
    return " ".join(words)


def cut(text: str, share: float) -> str:
    """The first words of a text."""
    words = text.split()
    return " ".join(words[: int(len(words) * share)])
